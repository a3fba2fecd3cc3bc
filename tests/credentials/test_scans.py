"""What a scan goes through over HTTP: keyboards are undone, entry rules are asked."""

import _issuing as made
import people
import pytest
from credential_issuers import CERTIFICATES, begin, entry, listed, scanned
from hubs import Hub
from people import Json

from twinstile.credentials import wedge
from twinstile.credentials.trust import Domain

CARD: Json = {
    "n": "Jane",
    "dob": "1961-05-15",
    "v": {"dt": "2026-01-02", "tg": "1D47", "vls": "2026-01-12"},
}


@pytest.fixture
async def believing(hub: Hub) -> Hub:
    """A hub that knows an issuer of certificates, who issues yellow cards too."""
    both = [entry(CERTIFICATES[0], domain) for domain in (Domain.EU_DCC, Domain.ICVP)]
    await begin(hub, 1, listed(entries=both))
    return hub


async def verify(hub: Hub, text: str, **more: object) -> Json:
    answer = await hub.client().post("/v1/credentials:verify", json={"text": text, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def typed(text: str, layout: str) -> str:
    keys = {key: chr(code) for code, key in wedge.LAYOUTS[layout].items()}
    return "".join(keys[key] for key in text)


async def test_what_a_keyboard_did_to_a_scan_is_undone(believing: Hub) -> None:
    code = scanned(0)
    for layout in wedge.LAYOUTS:
        found = await verify(believing, typed(code, layout) + "\t", channel="WEDGE")
        assert (found["scheme"], found["authenticity"]) == ("EU_DCC", "YES"), layout
    lost = await verify(believing, code[3:], channel="WEDGE")
    assert lost["authenticity"] == "YES"


async def test_a_certificate_alone_is_nobodys_until_somebody_compares(believing: Hub) -> None:
    found = await verify(believing, scanned(0))
    assert (found["outcome"], found["status"]) == ("SUBJECT_UNCONFIRMED", "UNDER_REVIEW")
    assert found["text"] == "Compare name and birth date with the document yourself."
    assert (found["colour"], found["subject_match"]) == ("UNKNOWN", "NOT_CHECKED")
    assert [why["code"] for why in found["reasons"]] == ["SUBJECT_UNCONFIRMED"]


@pytest.mark.parametrize(
    ("name", "found", "why"),
    [
        ("Musterfrau-Gößinger, Gabriele", "EXACT", []),
        ("MUSTERFRAU GOESSINGER, Gabriele", "EXACT", []),
        ("Müller, Gabriele", "MISMATCH", ["NAME_DIFFERS"]),
        ("Мустерфрау, Габриэле", "POSSIBLE", ["NAME_IN_OTHER_SCRIPT"]),
    ],
)
async def test_a_name_is_compared_with_the_marks_on_its_letters(
    believing: Hub, name: str, found: str, why: list[str]
) -> None:
    """As an officer types it from a document without a zone."""
    papers = {"kind": "PASSPORT", "number": "X1234567", "issuer": "UTO", "name": name}
    shown = {**papers, "birth_date": made.CERTIFICATE["dob"]}
    told = await verify(believing, scanned(0), document=shown)
    assert told["subject_match"] == found
    assert [one["code"] for one in told["match_reasons"]] == why


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        (1, "Its issuer is not on our list: look at it by hand. It names UT."),
        (
            30,
            "Its issuer is not on our list, which may be old: look at it by hand. It names UT.",
        ),
    ],
)
async def test_an_issuer_nobody_listed_is_named(hub: Hub, hours: float, said: str) -> None:
    await begin(hub, 1, listed(*CERTIFICATES[:1], hours=hours))
    found = await verify(hub, scanned(1))
    assert (found["outcome"], found["issuer"]) == ("ISSUER_NOT_TRUSTED", None)
    assert (found["claimed_issuer"], found["text"]) == ("UT", said)


async def test_an_old_list_hides_no_other_person(hub: Hub) -> None:
    await begin(hub, 1, listed(*CERTIFICATES[:1], hours=80))
    body = people.check(credential={"status": "PENDING"})
    body["scanned"] = {"text": scanned(0)}
    answer = await hub.client().put(f"/v1/checks/{people.new_id()}", json=body)
    found = answer.json()["credential"]
    assert (found["outcome"], found["status"]) == ("SUBJECT_MISMATCH", "INVALID"), found
    assert "STALE_SNAPSHOT" in [why["code"] for why in found["reasons"]]


@pytest.mark.parametrize("channel", ["CAMERA", "SERIAL", "MANUAL"])
async def test_what_a_device_calls_it_makes_no_difference(believing: Hub, channel: str) -> None:
    found = await verify(believing, typed(scanned(0), "German"), channel=channel)
    assert (found["scheme"], found["authenticity"]) == ("EU_DCC", "YES")


async def test_a_check_undoes_what_a_keyboard_did_as_well(believing: Hub) -> None:
    body = people.check(credential={"status": "PENDING"})
    body["scanned"] = {"text": typed(scanned(0), "French"), "channel": "WEDGE"}
    answer = await believing.client().put(f"/v1/checks/{people.new_id()}", json=body)
    assert answer.json()["credential"]["authenticity"] == "YES", answer.text


async def test_rules_that_are_not_met_are_told_in_words(believing: Hub) -> None:
    found = await verify(believing, scanned(0), rules="entry-yellow-fever")
    assert (found["authenticity"], found["policy"], found["colour"]) == ("YES", "NO", "YELLOW")
    assert found["unmet"]
    assert all(rule["code"] and rule["text"] for rule in found["unmet"])


async def test_rules_tell_nothing_of_what_they_do_not_speak_of(believing: Hub) -> None:
    found = await verify(believing, scanned(0, CARD, -6), rules="entry-yellow-fever")
    assert (found["scheme"], found["policy"], found["unmet"]) == ("WHO_DVC", "UNKNOWN", [])
    assert "POLICY_FAILED" in [why["code"] for why in found["reasons"]]
