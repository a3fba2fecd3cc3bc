"""One person with one paper is one person, whatever kind an old or new tablet calls it."""

import people
import pytest
from hubs import Hub

from twinstile.identity import vault
from twinstile.identity.types import Document, DocumentKind
from twinstile.platform.keys.ciphers import keyed_digest
from twinstile.platform.security.roles import Role

WIDE = "".join(chr(0xFF10 + n) for n in range(8))
EAR_FEVER = {"value": 38.6, "method": "EAR"}


async def shown(hub: Hub, role: Role, paper: people.Json, **more: object) -> people.Json:
    identity = {"document": {"name": "张伟", **paper}, "result": "MATCH"}
    body = people.check(identity=identity, **more)
    answer = await hub.client(role).put(f"/v1/checks/{people.new_id()}", json=body)
    assert answer.status_code == 201, answer.text
    told: people.Json = answer.json()
    return told


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (
            {"kind": "PASSPORT", "number": "H01234567", "issuer": "CHN"},
            {"kind": "HK_MACAU_PERMIT", "number": "h0123-4567 02"},
        ),
        (
            {"kind": "TAIWAN_PERMIT", "number": "01234567"},
            {"kind": "PASSPORT", "number": WIDE, "issuer": "CHN"},
        ),
        (
            {"kind": "OTHER", "number": "UTO110000000001"},
            {"kind": "FOREIGN_RESIDENT_CARD", "number": "uto 1100 0000 0001"},
        ),
        (
            {"kind": "RESIDENT_ID", "number": "770101900201007"},
            {"kind": "TEMPORARY_ID", "number": "770101199002010079", "issuer": "rail"},
        ),
    ],
    ids=["permit as passport", "passport for permit", "card of 2017", "old number"],
)
async def test_somebody_held_is_met_whatever_their_paper_is_called(
    hub: Hub, before: people.Json, now: people.Json
) -> None:
    await shown(hub, Role.SCREENER, before, celsius=38.2)
    held = await shown(hub, Role.MEDIC, before, temperature=EAR_FEVER)
    assert held["state"] == "HELD"
    back = await shown(hub, Role.ASSISTANT, now)
    assert (back["verdict"], back["screening_id"]) == ("STOP", held["screening_id"])


def test_the_index_of_kinds_that_were_there_is_what_it_was() -> None:
    """What is stored is found again by the same bytes, after any upgrade."""
    key = bytes(32)
    for document, message in (
        (Document(DocumentKind.RESIDENT_ID, "770101199002010079"), "RESIDENT_ID||7701011990…"),
        (Document(DocumentKind.PASSPORT, "L898902C3", "UTO"), "PASSPORT|UTO|L898902C3"),
        (Document(DocumentKind.OTHER, "NO.12/AB7", "RAIL"), "OTHER|RAIL|NO.12/AB7"),
        (Document(DocumentKind.HK_MACAU_PERMIT, "H00000001"), "PASSPORT|CHN|H00000001"),
    ):
        plain = message.replace("7701011990…", "770101199002010079").replace("|", "\x1f")
        assert vault.blind([("epoch.1", key)], document) == [
            keyed_digest(key, "blind", plain.encode())
        ]
