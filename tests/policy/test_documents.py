"""Policy documents: the shipped ones compile, bad ones are refused with a place and a word."""

from copy import deepcopy
from pathlib import Path
from typing import cast

import pytest

from twinstile.policy import documents
from twinstile.policy.documents import PolicyError

Document = dict[str, object]


def changed(path: str, value: object) -> Document:
    document = deepcopy(documents.pack("cn-hub"))
    *parents, last = path.split("/")
    place: object = document
    for part in parents:
        place = place[int(part)] if isinstance(place, list) else cast("Document", place)[part]
    if isinstance(place, list):
        place[int(last)] = value
    else:
        cast("Document", place)[last] = value
    return document


PACKS = sorted(
    path.stem
    for path in (Path(documents.__file__).parent / "packs").glob("*.json")
    if not path.stem.startswith("entry-")
)


@pytest.mark.parametrize("name", PACKS)
def test_every_pack_is_a_whole_document_in_both_languages(name: str) -> None:
    document = documents.pack(name)
    assert not {"base", "without"} & set(document)
    policy = documents.compile_document(document)
    assert all({"en", "zh-CN"} <= set(rule.text) for rule in policy.rules)
    assert {"TEMP-CONFIRMED", "CRED-ASSIST"} <= {rule.rule_id for rule in policy.rules}


def test_a_pack_says_only_what_it_changes_of_its_base() -> None:
    hub, entry = (documents.compile_document(documents.pack(n)) for n in ("cn-hub", "ihr-poe"))
    assert entry.parameters.threshold_tenths == 380
    assert entry.parameters.deadline_seconds == hub.parameters.deadline_seconds
    names = {rule.rule_id for rule in entry.rules}
    assert "IHR-CONTACT" in names
    assert "DECL-CONTACT" not in names


def test_the_shipped_pack_compiles() -> None:
    policy = documents.compile_document(documents.pack("cn-hub"))
    assert policy.version == "cn-hub-2"
    assert policy.parameters.threshold_tenths == 373
    assert all({"en", "zh-CN"} <= set(rule.text) for rule in policy.rules)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("parameters/threshold_tenths", 37.3, "threshold_tenths"),
        ("parameters/threshold_tenths", 3730, "threshold_tenths"),
        ("parameters/retention_days", 0, "retention_days"),
        ("parameters/unheard_of", 1, "unheard_of"),
        ("rules/0/outcome", "PASS", "outcome"),
        ("rules/0/when", {"eval": ["1"]}, "rule EMERGENCY"),
        ("rules/1/id", "EMERGENCY", "same id"),
        ("rules", [], "rules"),
        ("version", "../1", "version"),
    ],
)
def test_a_bad_policy_is_refused_with_its_place(path: str, value: object, said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        documents.compile_document(changed(path, value))


def test_a_rule_that_cannot_be_evaluated_applies() -> None:
    rule = {"<": [{"var": "temperature.latest"}, "warm"]}
    policy = documents.compile_document(changed("rules/0/when", rule))
    (applying,) = policy.applying({"temperature": {"latest": 365}, "parameters": {}})[:1]
    assert applying.rule_id == "EMERGENCY"


@pytest.mark.parametrize("name", ["nobody", "../cn-hub", "", "cn-hub.json"])
def test_an_unknown_pack_is_refused(name: str) -> None:
    with pytest.raises(PolicyError):
        documents.pack(name)
