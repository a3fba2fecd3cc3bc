"""People whom the usual lane does not fit: crews, infants, no telephone, papers from abroad."""

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

import people
import pytest
import step_bodies
from access_log_reader import look_up, reads
from hubs import CHECKPOINT, Hub
from refusals import refused

from twinstile.platform.ops import clock
from twinstile.platform.security import devices
from twinstile.platform.security.roles import Role
from twinstile.policy.versions import Policies
from twinstile.screening import assisted, intake, transitions
from twinstile.screening.assisted import Assisted
from twinstile.screening.bodies import CheckFact
from twinstile.screening.types import ScreeningState

S = ScreeningState
AT = datetime(2026, 11, 24, 4, tzinfo=UTC)
PASSPORT = ["P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"]  # fmt: skip # noqa: E501
CARD = ["I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "ERIKSSON<<ANNA<MARIA<<<<<<<<<<"]  # fmt: skip # noqa: E501
NONE_SHOWN = {"status": "NOT_PRESENTED"}
LOOKED_UP = {"status": "GREEN", "kind": "PROXY_LOOKUP"}


async def put(hub: Hub, who: str = Role.SCREENER, **changes: object) -> people.Json:
    answer = await hub.client(who).put(
        f"/v1/checks/{people.new_id()}", json=people.check(**changes)
    )
    assert answer.status_code == 201, answer.text
    told: people.Json = answer.json()
    return told


async def stored(hub: Hub, check: people.Json) -> people.Json:
    """The evidence of a check, as it is kept."""
    async with hub.runtime.database.reading() as tx:
        row = await tx.raw.fetchrow(
            'SELECT evidence FROM "check" WHERE hub_id = $1 AND id = $2',
            hub.hub_id,
            UUID(str(check["id"])),
        )
    assert row is not None
    evidence: people.Json = row["evidence"]
    return evidence


async def helped(hub: Hub, lane: str = "AUTO") -> people.Json:
    """What the report says of help for those who began at that kind of lane."""
    period = urlencode({"from": people.ago(hours=2), "to": people.ago(hours=-1)})
    answer = await hub.client(Role.SUPERVISOR).get(f"/v1/reports/period?{period}")
    told: people.Json = answer.json()["assisted"][lane]
    return told


PCR = {"test": {"kind": "PCR", "result": "NEGATIVE", "sampled_at": people.ago(hours=20)}}
BARE: people.Json = {"credential": None, "identity": None}


@pytest.mark.parametrize(
    ("lane", "changes", "state"),
    [
        ("north-1", {"category": "INFANT", **BARE}, S.CLEARED),
        ("north-1", BARE, S.PRESENTED),
        ("north-1", {"category": "INFANT", **BARE, "celsius": 38.0}, S.SECONDARY),
        ("north-1", {"category": "STAFF", "credential": None, **PCR}, S.CLEARED),
        ("north-1", {"category": "STAFF", "credential": None}, S.PRESENTED),
        ("north-1", {"credential": None, **PCR}, S.PRESENTED),
        ("north-c", {"credential": None, **PCR}, S.CLEARED),
        ("north-c", {"credential": None}, S.PRESENTED),
        ("north-c", {"credential": None, "category": "TRAVELLER", **PCR}, S.PRESENTED),
        (
            "north-1",
            {
                "category": "DIPLOMAT",
                "credential": {"status": "GREEN", "kind": "DECLARATION"},
                "declaration": {"contact": "NO", "source": "SPOKEN"},
            },
            S.CLEARED,
        ),
    ],
)
async def test_policy_decides_by_category_and_a_crew_lane_says_whom_it_is_for(
    hub: Hub, lane: str, changes: people.Json, state: ScreeningState
) -> None:
    async with hub.runtime.database.transaction() as tx:
        await devices.add_lane(tx, hub.hub_id, "north-c", CHECKPOINT, "CREW")
    told = await put(hub, **{"lane_id": lane, **changes})
    assert told["state"] == state
    by_lane = "CREW" if lane == "north-c" else None
    assert (await stored(hub, told)).get("category") == changes.get("category", by_lane)


async def test_a_category_once_said_outlasts_the_lane(hub: Hub) -> None:
    async with hub.runtime.database.transaction() as tx:
        await devices.add_lane(tx, hub.hub_id, "north-c", CHECKPOINT, "CREW")
    number = people.resident_number()
    first = await put(hub, number=number, category="TRAVELLER", temperature=None)
    then = await put(hub, number=number, lane_id="north-c", credential=None, **PCR)
    assert then["screening_id"] == first["screening_id"]
    assert "category" not in await stored(hub, then)


async def test_no_telephone_is_help_at_the_desk_and_the_same_rules(hub: Hub) -> None:
    """Gate, look-up in their place, form keyed: cleared, or seen by a medic as anybody."""
    for symptoms, state in (([], S.CLEARED), (["COUGH"], S.SECONDARY)):
        number = people.resident_number()
        gate = await put(
            hub, number=number, credential=NONE_SHOWN, observed_at=people.ago(seconds=300)
        )
        assert (gate["state"], gate["next_step"]) == ("ASSISTED", "assisted-lane")
        found = (await look_up(hub, number, consent="TRAVELLER")).json()
        assert found["screenings"][0]["screening_id"] == gate["screening_id"]
        desk = await put(
            hub,
            Role.ASSISTANT,
            number=number,
            credential=LOOKED_UP,
            declaration={"symptoms": symptoms, "contact": "NO", "source": "PAPER"},
        )
        assert (desk["screening_id"], desk["state"]) == (gate["screening_id"], state)
        kept = await stored(hub, desk)
        assert kept["declaration"]["source"] == "PAPER"  # type: ignore[index]
        assert kept["credential"]["kind"] == "PROXY_LOOKUP"  # type: ignore[index]
    await put(hub)
    told = await helped(hub)
    assert (told["screenings"], told["assisted"], told["ended"]) == (3, 2, 2)
    assert told["share"] == 0.6667
    assert 299 <= int(str(told["wait_median_s"])) <= int(str(told["wait_p95_s"])) < 360
    nobody = await helped(hub, "CREW")
    assert (nobody["screenings"], nobody["share"], nobody["wait_p95_s"]) == (0, None, None)


async def test_a_wait_ends_by_a_step_and_by_the_clock_too_and_is_open_until_then(
    hub: Hub,
) -> None:
    gate = await put(hub, credential=NONE_SHOWN, observed_at=people.ago(seconds=100))
    waiting = await helped(hub)
    assert (waiting["assisted"], waiting["ended"]) == (1, 0)
    assert waiting["wait_median_s"] is None
    answer = await hub.client(Role.ASSISTANT).put(
        f"/v1/screenings/{gate['screening_id']}/steps/{people.new_id()}",
        json=step_bodies.body("refuse"),
    )
    assert answer.json()["state"] == "REFUSAL", answer.text
    over = await helped(hub)
    assert over["ended"] == 1
    assert 99 <= int(str(over["wait_p95_s"])) < 160
    await put(hub, credential=NONE_SHOWN)
    database, late = hub.runtime.database, clock.now() + timedelta(minutes=11)
    assert await transitions.expire_due(database, Policies(), hub.hub_id, late) == 1
    longest = await helped(hub)
    assert (longest["ended"], int(str(longest["wait_p95_s"])) // 60) == (2, 11)


async def test_consent_to_a_look_up_is_recorded_without_whose(hub: Hub) -> None:
    number = people.resident_number()
    await put(hub, number=number)
    told = (await look_up(hub, number, consent="GUARDIAN")).json()
    await look_up(hub, number)
    assert len(await reads(hub)) == 2
    async with hub.runtime.database.reading() as tx:
        rows = await tx.raw.fetch(
            "SELECT subject_id, operator_id, body FROM event WHERE hub_id = $1 AND kind = $2",
            hub.hub_id,
            "lookup.by-proxy",
        )
    (row,) = rows
    assert str(row["subject_id"]) == told["lookup_id"]
    assert row["operator_id"] == hub.duties[Role.ASSISTANT].operator_id
    assert row["body"] == {"access_id": told["lookup_id"], "consent_by": "GUARDIAN"}
    assert number not in json.dumps(row["body"])


@pytest.mark.parametrize("consent", ["SOMEBODY", "", 1, "x" * 400])
async def test_consent_is_one_of_three_words(hub: Hub, consent: object) -> None:
    answer = await look_up(hub, people.resident_number(), consent=consent)
    assert refused(answer, 422, "invalid-input")
    assert await reads(hub) == []


@pytest.mark.parametrize(
    ("document", "method", "finding"),
    [
        ({"kind": "PASSPORT", "mrz": PASSPORT}, "MRZ", "SYNTHETIC"),
        ({"kind": "ID_CARD", "mrz": CARD}, "MRZ", "SYNTHETIC"),
        ({"kind": "PASSPORT", "number": "X-77/1 b", "issuer": "D"}, "MANUAL", None),
        ({"kind": "OTHER", "number": "№ 4471 Ж", "issuer": "Atlantis"}, "MANUAL", None),
    ],
)
async def test_somebody_without_a_national_code_is_cleared_by_declaration(
    hub: Hub, document: people.Json, method: str, finding: str | None
) -> None:
    """Gate, desk, green: no telephone, no code; reminded in their language."""
    identity = {"document": document, "result": "MATCH", "method": method}
    gate = await put(hub, identity=identity, credential=NONE_SHOWN, language="ja")
    assert gate["state"] == "ASSISTED"
    assert finding is None or finding in gate["findings"]  # type: ignore[operator]
    assert (await stored(hub, gate))["language"] == "ja"
    desk = await put(
        hub,
        Role.ASSISTANT,
        identity=identity,
        credential={"status": "GREEN", "kind": "DECLARATION"},
        declaration={"contact": "NO", "source": "SPOKEN"},
    )
    assert (desk["screening_id"], desk["state"]) == (gate["screening_id"], "CLEARED")


async def test_a_zone_that_cannot_be_read_is_keyed_by_hand(hub: Hub) -> None:
    read = {"document": {"kind": "PASSPORT", "mrz": ["P<Y", "9"]}, "result": "MATCH"}
    answer = await hub.client().put(
        f"/v1/checks/{people.new_id()}", json=people.check(identity=read)
    )
    assert refused(answer, 422, "invalid-input") == [
        {"pointer": "/identity/document/mrz", "code": "invalid-format"}
    ]
    keyed = {"kind": "PASSPORT", "number": "Y9", "issuer": "YYY"}
    told = await put(hub, identity={**read, "document": keyed, "method": "MANUAL"})
    assert told["state"] == "CLEARED"
    assert told["findings"]


@pytest.mark.parametrize("language", ["", "日本語", "x" * 400, 7])
async def test_a_language_is_a_tag(hub: Hub, language: object) -> None:
    answer = await hub.client().put(
        f"/v1/checks/{people.new_id()}", json=people.check(language=language)
    )
    assert refused(answer, 422, "invalid-input")


def test_a_declaration_that_says_nothing_of_its_source_keeps_its_fingerprint() -> None:
    def told(**more: object) -> object:
        fact = people.fact(declaration={"contact": "NO", **more})
        return json.loads(intake.content(CheckFact.model_validate(fact)))["declaration"]

    assert "source" not in str(told())
    assert told(source=None) == told() != told(source="OWN")


def test_whoever_needs_help_again_has_waited_since_the_first_time() -> None:
    minute = timedelta(minutes=1)
    known = assisted.moved(None, S.PRESENTED, S.ASSISTED, AT)
    assert known == Assisted(AT)
    assert assisted.moved(known, S.ASSISTED, S.ASSISTED, AT + minute) == known
    ended = assisted.moved(known, S.ASSISTED, S.VERIFYING, AT + minute)
    assert ended == Assisted(AT, AT + minute)
    assert assisted.moved(ended, S.VERIFYING, S.CLEARED, AT + 2 * minute) == ended
    again = assisted.moved(ended, S.VERIFYING, S.ASSISTED, AT + 3 * minute)
    assert again == Assisted(AT)
    late = assisted.moved(again, S.ASSISTED, S.SECONDARY, AT - minute)
    assert late == Assisted(AT, AT)
    assert late is not None
    assert assisted.unpack(late.packed()) == late
