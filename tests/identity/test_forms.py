"""The document part of a request: what is refused, and what is only found."""

import datetime as dt

import pytest

from twinstile.identity import forms, regions
from twinstile.identity.forms import DocumentContext, DocumentForm
from twinstile.identity.types import Finding
from twinstile.platform.http.problems import FieldFault, InvalidInput
from twinstile.platform.security.hub_modes import HubMode

TODAY = dt.date(2026, 11, 24)
TERMS = DocumentContext(HubMode.DEMO, TODAY, ("77",), regions.BUILT_IN)


def read(**given: object) -> tuple[dt.date | None, frozenset[Finding]]:
    form = DocumentForm.model_validate({"kind": "PASSPORT", "number": "E12345678"} | given)
    identity, findings = forms.identify(form, "/document", TERMS)
    return identity.holder.birth_date, findings


def test_a_birth_date_keyed_by_hand_is_kept() -> None:
    born, findings = read(birth_date="1990-02-28", issuer="CHN")
    assert born == dt.date(1990, 2, 28)
    assert Finding.IMPLAUSIBLE_DATE not in findings


@pytest.mark.parametrize("born", ["0001-01-01", "1895-12-31", "2026-11-25", "9999-12-31"])
def test_a_birth_date_nobody_present_can_have_is_a_finding(born: str) -> None:
    kept, findings = read(birth_date=born)
    assert kept is None
    assert Finding.IMPLAUSIBLE_DATE in findings
    assert Finding.VALID not in findings


def test_a_number_with_a_birth_date_of_its_own_wins() -> None:
    born, findings = read(
        kind="RESIDENT_ID", number="770101199001010014", birth_date="9999-12-31"
    )
    assert born == dt.date(1990, 1, 1)
    assert Finding.IMPLAUSIBLE_DATE in findings


@pytest.mark.parametrize(
    ("given", "member"),
    [
        ({"number": " "}, "number"),
        ({"number": "\u202e"}, "number"),
        ({"number": "\ufdfa" * 60}, "number"),  # 1,080 characters once folded
        ({"issuer": " "}, "issuer"),
        ({"issuer": "\x85"}, "issuer"),
        ({"number": " ", "issuer": " "}, "number"),
    ],
)
def test_text_no_document_can_carry_is_pointed_at(given: dict[str, str], member: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(**given)
    assert refused.value.errors == (FieldFault(f"/document/{member}", "invalid-text"),)
