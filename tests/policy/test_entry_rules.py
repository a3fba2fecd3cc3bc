"""Entry rules of countries: checked as a policy is, read at start, judged by over HTTP."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import cast
from uuid import uuid4

import published_vectors
import pytest
import runtimes
from hubs import Hub, open_hub
from typer.testing import CliRunner

from twinstile.cli import doctor, main
from twinstile.operations import startup
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.ops import settings
from twinstile.platform.ops.config_files import InvalidFile
from twinstile.platform.ops.settings import Profile, SettingsError
from twinstile.platform.security.roles import Role
from twinstile.policy import documents, validation_messages
from twinstile.policy.entry import documents as entry
from twinstile.policy.entry import validator as entry_validator

Json = dict[str, object]
PACKS = ("entry-at", "entry-de", "entry-yellow-fever", "entry-sample")
TODAY = date(2026, 11, 25)
CANARY = "KANARIENVOGEL"
FEVER: Json = {"v": [{"tg": "16541001", "dt": "2024-03-01", "is": "Travel clinic"}]}
CLOCK = {"plusTime": [{"var": "external.validationClock"}, 0, "day"]}


@pytest.mark.parametrize("pack", PACKS)
def test_the_packs_stand(pack: str) -> None:
    assert entry_validator.judge(documents.read_pack(pack), TODAY) == []


def planted(condition: object, text: object = None) -> Callable[[Json], None]:
    words = {"en": "x", "zh-CN": "x"} if text is None else text
    rule = {"id": "PLANTED", "accepts": condition, "text": words}
    return lambda document: cast("list[Json]", document["rules"]).append(rule)


def told(**members: object) -> Callable[[Json], None]:
    return lambda document: document.update(members)


DOSES = {"var": "payload.v.0.dn"}
FAULTS = {
    "never": (planted({"and": [{">": [DOSES, 2]}, {"<": [DOSES, 2]}]}), "entry-never-met"),
    "never-in-time": (
        planted(
            {
                "before": [
                    {"plusTime": [{"var": "payload.t.0.sc"}, 72, "hour"]},
                    {"plusTime": [{"var": "payload.t.0.sc"}, 0, "hour"]},
                ]
            }
        ),
        "entry-never-met",
    ),
    "never-a-word": (planted({"===": [DOSES, "two"]}), "entry-never-met"),
    "always": (planted({"if": [{"var": "payload.r.0"}, True, True]}), "entry-always-met"),
    "always-a-constant": (planted({"===": [1, 1]}), "entry-always-met"),
    "unknown-field": (planted({"===": [{"var": "payload.v.0.xx"}, 1]}), "unknown-fact"),
    "unknown-fact": (planted({"===": [{"var": "temperature.latest"}, 1]}), "unknown-fact"),
    "unknown-set": (
        planted({"in": [{"var": "payload.v.0.mp"}, {"var": "external.valueSets.none"}]}),
        "unknown-fact",
    ),
    "no-chinese": (planted({">": [DOSES, 1]}, {"en": "x"}), "language-missing"),
    "no-words": (planted({">": [DOSES, 1]}, {"en": "x", "zh-CN": " "}), "language-missing"),
    "no-language": (planted({">": [DOSES, 1]}, {}), "unreadable"),
    "no-title": (told(title={"zh-CN": "x"}), "title-missing"),
    "expired": (told(valid_until="2026-11-24"), "entry-expired"),
    "no-rule": (told(rules=[]), "unreadable"),
    "no-certlogic": (planted({"eval": ["1"]}), "unreadable"),
    "unheard-of": (told(unheard_of=1), "unreadable"),
    "too-long": (planted({">": [DOSES, 1]}, {"en": "x" * 1001, "zh-CN": "x"}), "too-long"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_and_told_in_two_languages(fault: str) -> None:
    change, code = FAULTS[fault]
    document = deepcopy(documents.read_pack("entry-yellow-fever"))
    change(document)
    (found,) = entry_validator.judge(document, TODAY)
    assert found.code == code
    assert found.rule_id in {"PLANTED", None}
    for language in ("en", "zh-CN"):
        assert found.text[language]
        assert found.remedy[language]
        assert "{" not in found.text[language] + found.remedy[language]


def test_every_word_of_entry_rules_has_a_planted_fault() -> None:
    codes = {code for code in validation_messages.WORDS if code.startswith("entry-")}
    assert codes <= {code for _, code in FAULTS.values()}


def test_rules_that_depend_on_too_much_are_not_signed() -> None:
    fields = ("tg", "vp", "mp", "ma", "dn", "sd", "dt", "co", "is", "ci")
    conditions = [{"in": [{"var": f"payload.v.0.{f}"}, ["a", "b", "c"]]} for f in fields]
    document = deepcopy(documents.read_pack("entry-yellow-fever"))
    planted({"and": conditions})(document)
    (found,) = entry_validator.judge(document, TODAY)
    assert found.code == "too-complicated"


def test_the_command_knows_both_kinds_of_document(tmp_path: Path) -> None:
    file = tmp_path / "entry-xx.json"
    document = deepcopy(documents.read_pack("entry-de"))
    file.write_text(json.dumps(document))
    assert CliRunner().invoke(main.app, ["policy", "check", str(file)]).exit_code == 0
    planted({"===": [{"var": "payload.v.0.colour"}, 1]})(document)
    file.write_text(json.dumps(document))
    refused = CliRunner().invoke(main.app, ["policy", "check", str(file)])
    assert refused.exit_code == 1
    assert "Rule PLANTED reads payload.v.0.colour" in refused.output
    assert "规则 PLANTED" in refused.output


def test_words_are_chosen_by_what_the_reader_accepts() -> None:
    text = {"en": "E", "zh-CN": "Z", "pt-BR": "P"}
    said = {
        "": "E", "de": "E", "zh-CN,zh;q=0.9": "Z", "zh": "Z", "pt-PT, en": "P",
        "fr, zh;q=0.5": "Z", "en-GB": "E", "*": "E", ";,": "E",
    }  # fmt: skip
    assert {accepted: entry.worded(text, accepted) for accepted in said} == said
    assert entry.worded({"fr": "F"}, "de") == "F"


def test_rules_hold_on_their_days() -> None:
    policy = entry.compile_entry(documents.read_pack("entry-de"))
    days = [date(2021, 7, 2), date(2021, 7, 3), date(2030, 5, 31), date(2030, 6, 1)]
    assert [policy.holds(day) for day in days] == [False, True, True, False]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("entry-xx",), "there is no policy pack"),
        (("cn-hub",), "cn-hub: entry"),
        (("entry-at", "entry-at"), "two rule sets"),
        (("/nowhere/entry.json",), "No such file"),
    ],
)
def test_what_cannot_be_used_is_told_at_start(
    tmp_path: Path, names: tuple[str, ...], said: str
) -> None:
    nowhere = DatabaseTarget("postgresql://nowhere", "", "postgresql://nowhere", embedded=False)
    given = settings.load(data_dir=tmp_path, entry_rules=names)
    with pytest.raises(SettingsError, match=f"TWINSTILE_ENTRY_RULES: .*{said}"):
        startup.open_runtime(given, nowhere)
    (_, finding) = doctor.examine({"data_dir": tmp_path, "entry_rules": names})
    assert finding.name == "settings"
    assert not finding.well


@pytest.fixture
def own(tmp_path: Path) -> Callable[..., str]:
    """A file of a hub's own rules; its path."""

    def write(*changes: Callable[[Json], None]) -> str:
        document = deepcopy(documents.read_pack("entry-yellow-fever"))
        for change in (told(entry="entry-xx", version="entry-xx-1", country="UTO"), *changes):
            change(document)
        file = tmp_path / f"entry-{len(list(tmp_path.iterdir()))}.json"
        file.write_text(json.dumps(document))
        return str(file)

    return write


def test_a_file_is_tried_out_before_anybody_is_judged_by_it(own: Callable[..., str]) -> None:
    with pytest.raises(InvalidFile, match="PLANTED"):
        entry_validator.load((own(planted({"===": [1, 2]})),))


def test_rules_that_are_over_do_not_stop_the_hub_and_the_doctor_says_so(
    own: Callable[..., str],
) -> None:
    over = own(told(valid_until="2020-01-31"), told(valid_from="2020-01-01"))
    given = settings.load(entry_rules=("entry-yellow-fever", over))
    finding = doctor._entry_rules(given)
    assert (finding.found, finding.well) == ("entry-xx-1: not of today", False)
    well = doctor._entry_rules(settings.load())
    assert well.well
    assert well.found == "entry-at-1, entry-de-1, entry-yellow-fever-1"


async def test_a_hub_judges_by_the_rules_of_its_own_country(
    place: DatabaseTarget, tmp_path: Path, own: Callable[..., str]
) -> None:
    await startup.prepare(place)
    folder = tmp_path / "data"
    runtime = startup.open_runtime(
        settings.load(profile=Profile.DEMO, data_dir=folder, entry_rules=(own(),)), place
    )
    async with runtimes.served(runtime) as service:
        client = (await open_hub(runtime, service)).client()
        (listed,) = (await client.get("/v1/entry-rules")).json()["packs"]
        assert (listed["pack"], listed["country"]) == ("entry-xx", "UTO")
        judged = await client.post("/v1/entry-rules/entry-xx/judgements", json={"payload": {}})
        assert [one["rule_id"] for one in judged.json()["unmet"]] == ["VACCINATED"]


async def judge(hub: Hub, pack: str, payload: Json, **more: object) -> Json:
    answer = await hub.client().post(
        f"/v1/entry-rules/{pack}/judgements", json={"payload": payload, **more}
    )
    assert answer.status_code == 200, answer.text
    judged: Json = answer.json()
    return judged


async def test_the_rules_can_be_read(hub: Hub) -> None:
    client = hub.client(Role.ADMINISTRATOR)
    packs = (await client.get("/v1/entry-rules")).json()["packs"]
    assert [one["pack"] for one in packs] == ["entry-at", "entry-de", "entry-yellow-fever"]
    assert all(one["in_force"] for one in packs)
    assert packs[2]["valid_until"] is None
    whole = (await client.get("/v1/entry-rules/entry-de")).json()
    assert whole["document"] == documents.read_pack("entry-de")
    assert {name: whole[name] for name in packs[1]} == packs[1]
    assert (await client.get("/v1/entry-rules/entry-xx")).status_code == 404


async def test_a_certificate_is_accepted_or_told_what_it_lacks(hub: Hub) -> None:
    judged = await judge(hub, "entry-yellow-fever", FEVER, at="2026-11-25T08:00:00+08:00")
    assert judged == {
        "version": "entry-yellow-fever-1",
        "at": "2026-11-25T00:00:00Z",
        "accepted": True,
        "unmet": [],
    }
    early = {"v": [{**FEVER["v"][0], "dt": "2026-11-20", "is": ""}]}  # type: ignore[index]
    judged = await judge(hub, "entry-yellow-fever", early, at="2026-11-25T08:00:00+08:00")
    assert [one["rule_id"] for one in judged["unmet"]] == ["DOSE-10-DAYS", "CENTRE-NAMED"]
    infant = {"dob": (datetime.now(UTC) - timedelta(days=200)).date().isoformat()}
    assert (await judge(hub, "entry-yellow-fever", infant))["accepted"] is True


@pytest.mark.parametrize(
    ("accepted", "said"),
    [("zh-CN", "须载明接种机构"), ("fr", "The centre that vaccinated is named")],
)
async def test_what_is_lacking_is_said_in_the_readers_language(
    hub: Hub, accepted: str, said: str
) -> None:
    nameless = {"v": [{**FEVER["v"][0], "is": None}]}  # type: ignore[index]
    answer = await hub.client().post(
        "/v1/entry-rules/entry-yellow-fever/judgements",
        json={"payload": nameless},
        headers={"Accept-Language": accepted},
    )
    assert answer.json()["unmet"] == [{"rule_id": "CENTRE-NAMED", "text": said}]


async def test_nobody_is_judged_by_rules_of_another_time(hub: Hub) -> None:
    for at, status in (
        ("2021-07-02T15:59:59Z", 409),  # the third begins in Hangzhou a second later
        ("2021-07-02T16:00:00Z", 200),
        ("2030-05-31T15:59:59Z", 200),
        ("2030-05-31T16:00:00Z", 409),
    ):
        answer = await hub.client().post(
            "/v1/entry-rules/entry-de/judgements", json={"payload": {}, "at": at}
        )
        assert answer.status_code == status, at
        if status == 409:
            assert answer.json()["type"] == "/problems/entry-rules-not-in-force"


def nested(levels: int) -> Json:
    return {"a": nested(levels - 1)} if levels > 1 else {"a": 1}


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (nested(9), "too-many"),
        ({"v": [{"dn": n} for n in range(200)]}, "too-many"),
        ({"a": ["x"] * 500}, "too-many"),
        ({"a": CANARY + "x" * 1000}, "too-long"),
        ({CANARY + "x" * 1000: 1}, "too-long"),
        ([CANARY], "invalid-format"),
        (CANARY, "invalid-format"),
        ({"a": f"{CANARY}\0"}, "invalid-text"),
        ({"a": 2**53}, "out-of-range"),
    ],
)
async def test_what_is_no_certificate_is_refused_and_not_repeated(
    hub: Hub, payload: object, code: str
) -> None:
    answer = await hub.client().post(
        "/v1/entry-rules/entry-de/judgements", json={"payload": payload}
    )
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"pointer": "/payload", "code": code}]
    assert CANARY not in answer.text


async def test_a_payload_of_the_largest_size_is_judged(hub: Hub) -> None:
    payload = {"v": [1] * 100, "t": [{"tg": "x" * 1000}] * 50, "r": nested(6)}
    judged = await judge(hub, "entry-at", payload)
    assert judged["accepted"] is False


async def test_nothing_of_a_certificate_is_kept(hub: Hub, logged: Callable[[], str]) -> None:
    canary = f"{CANARY}{uuid4().hex}"  # other tests leave theirs in reasons
    certificate = {"nam": {"fn": canary}, "dob": canary, "v": [{"dt": canary, "ci": canary}]}
    judged = await judge(hub, "entry-at", certificate)
    assert judged["accepted"] is False
    assert canary not in json.dumps(judged) + logged()
    async with hub.runtime.database.reading() as tx:
        tables = await tx.raw.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relkind IN ('r', 'p') AND has_table_privilege(oid, 'SELECT')"
        )
        assert len(tables) > 20
        for (table,) in tables:
            kept = await tx.raw.fetchrow(
                f'SELECT EXISTS (SELECT FROM "{table}" t WHERE t::text LIKE $1)', f"%{canary}%"
            )
            assert kept is not None
            assert kept[0] is False, table


OURS = {
    "entry-at": {
        "RR-AT-0001": "RECOVERY-11-DAYS",
        "RR-AT-0002": "RECOVERY-180-DAYS",
        "TR-AT-0001": "TEST-KIND",
        "TR-AT-0004": "TEST-NEGATIVE",
        "TR-AT-0005": "RAPID-TEST-48-HOURS",
        "TR-AT-0006": "PCR-TEST-72-HOURS",
        "VR-AT-0001": "VACCINE-LISTED",
        "VR-AT-0004": "FIRST-OF-TWO-22-TO-90-DAYS",
        "VR-AT-0005": "LAST-DOSE-270-DAYS",
        "VR-AT-0006": "SINGLE-DOSE-22-TO-270-DAYS",
    },
    "entry-de": {
        "RR-DE-0001": "RECOVERY-28-DAYS",
        "RR-DE-0002": "RECOVERY-180-DAYS",
        "TR-DE-0001": "TEST-KIND",
        "TR-DE-0002": "RAPID-TEST-48-HOURS",
        "TR-DE-0003": "PCR-TEST-72-HOURS",
        "TR-DE-0004": "TEST-NEGATIVE",
        "VR-DE-0001": "DOSES-COMPLETE",
        "VR-DE-0002": "VACCINE-LISTED",
        "VR-DE-0003": "DOSE-15-DAYS",
        "VR-DE-0004": "DOSE-365-DAYS",
    },
}
"""Which rule of ours stands for which that the country published, with other words."""


def published(data: Path) -> Iterator[tuple[str, str, Json]]:
    """The certificates the countries published with those rules."""
    file = data / "credentials/eu-dcc/business-rules.jsonl"
    for line in file.read_text().splitlines():
        whole = json.loads(line)
        for pack, rules in OURS.items():
            if ours := rules.get(whole["rule"]["Identifier"]):
                yield from ((pack, ours, test) for test in whole["tests"])


async def test_the_packs_judge_as_the_countries_published(hub: Hub) -> None:
    data = published_vectors.shared_data()
    if data is None:
        pytest.skip("no test vectors on this machine")
    judged = 0
    for pack, ours, test in published(data):
        at = test["external"].get("validationClock") or "2022-01-01T00:00:00Z"
        told = await judge(hub, pack, test["payload"], at=at)
        unmet = {one["rule_id"] for one in told["unmet"]}
        assert (ours not in unmet) is test["expected"], (pack, ours, test["file"])
        judged += 1
    assert judged > 100
