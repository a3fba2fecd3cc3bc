"""What other systems call a kind, both ways."""

import pytest

from twinstile.identity import codes
from twinstile.identity.codes import CODES, System
from twinstile.identity.types import Document, DocumentKind

CARD_OF_2023 = "911124199002010018"


@pytest.mark.parametrize(("system", "code", "kind"), CODES)
def test_a_code_and_its_kind_lead_to_each_other(
    system: System, code: str, kind: DocumentKind
) -> None:
    assert codes.kind_of(system, code, "H00000001") is kind
    sent = codes.code_of(system, Document(kind, "H00000001"))
    assert sent is not None
    assert codes.kind_of(system, sent, "H00000001") is kind


def test_no_code_of_a_system_means_two_things() -> None:
    assert len({(system, code) for system, code, _ in CODES}) == len(CODES)


@pytest.mark.parametrize(
    ("system", "kind", "number", "code"),
    [
        (System.GATE, DocumentKind.TAIWAN_PERMIT, "00000001", "15"),  # not 16, for one journey
        (System.GATE, DocumentKind.RESIDENT_ID, CARD_OF_2023, "34"),
        (System.RAIL_12306, DocumentKind.RESIDENT_ID, CARD_OF_2023, "H"),
        (System.GATE, DocumentKind.MILITARY_ID, "7", "99"),
        (System.WS_364_3, DocumentKind.PASSPORT, "E00000000", "99"),
        (System.RAIL_12306, DocumentKind.MILITARY_ID, "7", None),
        (System.GA_T_517, DocumentKind.PASSPORT, "E00000000", None),
    ],
)
def test_a_kind_without_a_code_is_sent_as_another_or_not_at_all(
    system: System, kind: DocumentKind, number: str, code: str | None
) -> None:
    assert codes.code_of(system, Document(kind, number)) == code


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
