"""Entry rules: our own small pack on made-up certificates, and how a bad one is refused."""

from copy import deepcopy
from datetime import UTC, datetime, timedelta

import pytest

from twinstile.policy import documents
from twinstile.policy.documents import PolicyError
from twinstile.policy.entry import documents as entry

AT = datetime(2022, 4, 12, 4, tzinfo=UTC)
SAMPLE = documents.read_pack("entry-sample")
POLICY = entry.compile_entry(SAMPLE)
Json = dict[str, object]


def dose(days_ago: int, number: int = 2, of: int = 2) -> Json:
    day = (AT - timedelta(days=days_ago)).date().isoformat()
    return {"v": [{"dn": number, "sd": of, "dt": day}]}


def sampled(age: timedelta, result: str = "260415000") -> Json:
    return {"t": [{"tr": result, "sc": (AT - age).isoformat()}]}


@pytest.mark.parametrize(
    ("payload", "unmet"),
    [
        (dose(14), []),
        (dose(13), ["DOSE-14-DAYS-AGO"]),
        (dose(30, 1), ["DOSES-COMPLETE"]),
        (sampled(timedelta(hours=71, minutes=59)), []),
        (sampled(timedelta(hours=72)), []),
        (sampled(timedelta(hours=72, seconds=1)), ["TEST-72-HOURS"]),
        (sampled(timedelta(hours=-1)), ["TEST-72-HOURS"]),
        (sampled(timedelta(hours=1), "260373001"), ["TEST-NEGATIVE"]),
        ({"r": [{"df": "2022-03-01", "du": "2022-04-12"}]}, []),
        ({"r": [{"df": "2022-03-01", "du": "2022-04-10"}]}, ["RECOVERY-VALID"]),
        ({}, ["ONE-EVENT"]),
        ({**dose(30), **sampled(timedelta(hours=1))}, ["ONE-EVENT"]),
        ({"t": [{"tr": "260415000", "sc": "yesterday"}]}, ["TEST-72-HOURS"]),
    ],
)
def test_the_sample_accepts_and_refuses(payload: Json, unmet: list[str]) -> None:
    assert [rule.rule_id for rule in POLICY.unmet(payload, AT)] == unmet


def test_the_sample_speaks_both_languages() -> None:
    assert all({"en", "zh-CN"} <= set(rule.text) for rule in POLICY.rules)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rules": []}, "rules"),
        ({"rules": SAMPLE["rules"][:1] * 2}, "same id"),
        ({"valid_from": "2026-02-01", "valid_until": "2026-01-31"}, "hold from a day"),
        ({"unheard_of": 1}, "unheard_of"),
        ({"rules": [{"id": "R-1", "accepts": {"eval": ["1"]}, "text": {"en": "x"}}]}, "R-1"),
    ],
)
def test_a_bad_document_is_refused_with_its_place(changes: Json, said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        entry.compile_entry({**deepcopy(SAMPLE), **changes})
