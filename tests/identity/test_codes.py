"""Codes of other systems."""

import pytest

from twinstile.identity import codes
from twinstile.identity.codes import CODES, System
from twinstile.identity.types import DocumentKind

CARD_OF_2023 = "911124199002010018"


@pytest.mark.parametrize(("system", "code", "kind"), CODES)
def test_a_code_means_its_kind(system: System, code: str, kind: DocumentKind) -> None:
    assert codes.kind_of(system, code, "H00000001") is kind


def test_no_code_of_a_system_means_two_things() -> None:
    assert len({(system, code) for system, code, _ in CODES}) == len(CODES)


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        ("UTO110000000001", DocumentKind.FOREIGN_RESIDENT_CARD),
        (CARD_OF_2023, DocumentKind.RESIDENT_ID),
    ],
)
def test_both_cards_of_foreign_residents_have_one_code(number: str, kind: DocumentKind) -> None:
    assert codes.kind_of(System.GATE, "34", number) is kind


def test_an_unknown_code_means_nothing() -> None:
    assert codes.kind_of(System.PAXLST, "Q", "1") is None
