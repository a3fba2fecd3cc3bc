"""What a refusal says of a field: where, in a stable word, and nothing of what was sent."""

from collections.abc import Mapping
from typing import Annotated

import pytest
from pydantic import Field, ValidationError

from twinstile.platform.http.field_types import Body, Line, Slug, Word
from twinstile.platform.http.problem_handlers import MOST_FAULTS, faults
from twinstile.platform.security.api import OperatorBody


class Inner(Body):
    word: Word | None = None
    line: Annotated[Line, Field(max_length=90)] | None = None
    slug: Slug | None = None


class Outer(Body):
    body: Inner = Inner()
    inners: Annotated[tuple[Inner, ...], Field(max_length=30)] = ()
    free: Mapping[Word, int] | None = None


@pytest.mark.parametrize(
    ("sent", "pointer", "code"),
    [
        ({"body": {"word": ""}}, "/body/word", "too-short"),
        ({"body": {"word": "x" * 65}}, "/body/word", "too-long"),
        ({"body": {"line": "x" * 91}}, "/body/line", "too-long"),
        ({"body": {"word": "a\0"}}, "/body/word", "invalid-text"),
        ({"body": {"word": "\ud800"}}, "/body/word", "invalid-text"),
        ({"body": {"word": 5}}, "/body/word", "invalid-format"),
        ({"body": {"slug": "a/b"}}, "/body/slug", "invalid-format"),
        ({"inners": [{}, {"word": ""}]}, "/inners/1/word", "too-short"),
        ({"inners": [{}] * 31}, "/inners", "too-many"),
        ({"body": {"hub_id": "x"}}, "/body/hub_id", "unknown-field"),
        ({"body": {"110101199003078515": "x"}}, "/body", "unknown-field"),
        ({"body": {"张伟": "x"}}, "/body", "unknown-field"),
        ({"Zhang": "x"}, "", "unknown-field"),
        ({"\0": "x"}, "", "unknown-field"),
        ({"free": {"\ud800": 1}}, "/free", "invalid-text"),
        ([], "", "invalid-format"),
    ],
)
def test_a_fault_is_pointed_at_and_named(sent: object, pointer: str, code: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Outer.model_validate(sent)
    (fault,) = faults(refused.value.errors())
    assert (fault.pointer, fault.code) == (pointer, code)


def test_only_so_many_faults_are_told() -> None:
    with pytest.raises(ValidationError) as refused:
        Outer.model_validate({"inners": [{"word": ""}] * 30})
    assert len(faults(refused.value.errors())) == MOST_FAULTS


def test_the_contract_tells_the_shape_of_a_slug() -> None:
    slug, _ = Inner.model_json_schema()["properties"]["slug"]["anyOf"]
    assert slug["pattern"].startswith("^[A-Za-z0-9]")


def test_a_passcode_has_at_least_six_characters() -> None:
    operator = {"login": "li.na", "display_name": "Li Na", "roles": ["screener"]}
    OperatorBody.model_validate(operator | {"passcode": "123456"})
    with pytest.raises(ValidationError) as refused:
        OperatorBody.model_validate(operator | {"passcode": "12345"})
    assert [fault.code for fault in faults(refused.value.errors())] == ["too-short"]
    assert OperatorBody.model_json_schema()["properties"]["passcode"]["minLength"] == 6
