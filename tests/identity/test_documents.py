"""Resident numbers use prefix 77 (assigned to nobody), except where a region is the point."""

import datetime as dt
import logging
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstile.identity import documents, regions
from twinstile.identity.types import (
    FAULTS,
    Document,
    DocumentHolder,
    DocumentKind,
    Finding,
    InvalidText,
    Sex,
)
from twinstile.operations import startup
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.ops import settings
from twinstile.platform.ops.settings import SettingsError

NOWHERE = DatabaseTarget("postgresql:///nowhere", "", "postgresql:///nowhere", embedded=False)
TODAY = dt.date(2026, 5, 3)
RESIDENT = "770101199002010079"
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # as GB 11643 prints them

ANY_TEXT = st.text(st.characters(), max_size=80)  # all of Unicode, lone surrogates too
BIRTHS = st.dates(TODAY.replace(year=TODAY.year - 130), TODAY)


def with_check(digits):
    total = sum(int(digit) * weight for digit, weight in zip(digits, WEIGHTS, strict=True))
    return digits + "10X98765432"[total % 11]


@st.composite
def residents(draw, prefix="77"):
    division = draw(st.integers(0, 9999))
    sequence = draw(st.integers(0, 999))
    return with_check(f"{prefix}{division:04}{draw(BIRTHS):%Y%m%d}{sequence:03}")


def wide(number):
    return "".join(chr(ord(character) + 0xFEE0) for character in number)


def read(number, kind=DocumentKind.RESIDENT_ID, **told):
    return documents.read(kind, number, today=TODAY, **told)


def test_a_resident_number_tells_birth_and_sex():
    found = read(RESIDENT)
    assert found.document == Document(DocumentKind.RESIDENT_ID, RESIDENT)
    assert found.holder == DocumentHolder(birth_date=dt.date(1990, 2, 1), sex=Sex.MALE)
    assert found.findings == {Finding.VALID, Finding.SYNTHETIC}
    assert read(with_check("77010119900201008")).holder.sex is Sex.FEMALE


@pytest.mark.parametrize(
    "spelling",
    [
        wide(RESIDENT),
        " 770101 19900201 0079 ",
        "770101-19900201-0079",
        "770101\u201319900201\u30000079",
        "\u202d770101199002010079\u202c",
    ],
    ids=["full width", "spaces", "hyphens", "dash and wide space", "direction marks"],
)
def test_every_spelling_of_a_number_is_the_same_document(spelling):
    assert read(spelling) == read(RESIDENT)


@pytest.mark.parametrize("last", ["x", "X", "\uff58", "\u2169"])
def test_the_check_character_x_comes_in_any_case_and_width(last):
    digits = next(
        f"7701011990020100{n}"
        for n in range(10)
        if with_check(f"7701011990020100{n}")[-1] == "X"
    )
    found = read(digits + last)
    assert found.document.number == digits + "X"
    assert Finding.VALID in found.findings


@pytest.mark.parametrize(
    ("digits", "findings"),
    [
        ("33011319900201001", {Finding.VALID}),  # districts made in 2021
        ("33011419900201001", {Finding.VALID}),
        ("81000019900201001", {Finding.VALID}),  # residence permits: Hong Kong,
        ("82000019900201001", {Finding.VALID}),  # Macau,
        ("83000019900201001", {Finding.VALID}),  # Taiwan
        ("91112419900201001", {Finding.VALID}),  # foreign permanent resident, from 2023-12
        ("97812419900201001", {Finding.VALID, Finding.UNKNOWN_REGION}),
        ("99999919900201001", {Finding.VALID, Finding.UNKNOWN_REGION}),
        ("16000019900201001", {Finding.VALID, Finding.UNKNOWN_REGION}),
        ("51020219800201001", {Finding.VALID}),  # abolished since,
        ("33018420100201001", {Finding.VALID, Finding.UNKNOWN_REGION}),  # and before the birth
        ("77010120000229001", {Finding.VALID, Finding.SYNTHETIC}),
        ("77010119000229001", {Finding.IMPLAUSIBLE_DATE, Finding.SYNTHETIC}),
        ("77010119900231001", {Finding.IMPLAUSIBLE_DATE, Finding.SYNTHETIC}),
        ("77010119901301001", {Finding.IMPLAUSIBLE_DATE, Finding.SYNTHETIC}),
        ("77010100000101001", {Finding.IMPLAUSIBLE_DATE, Finding.SYNTHETIC}),
        ("77010118951231001", {Finding.IMPLAUSIBLE_DATE, Finding.SYNTHETIC}),
        ("77010118960101001", {Finding.VALID, Finding.SYNTHETIC}),
        ("77010120260503001", {Finding.VALID, Finding.SYNTHETIC}),  # born today
        ("77010120260504001", {Finding.IMPLAUSIBLE_DATE, Finding.SYNTHETIC}),  # tomorrow
    ],
)
def test_dates_are_judged_and_regions_only_mentioned(digits, findings):
    found = read(with_check(digits))
    assert found.findings == findings
    assert (found.holder.birth_date is None) == (Finding.IMPLAUSIBLE_DATE in findings)


def test_a_wrong_check_and_an_impossible_date_are_both_told():
    number = with_check("77010119900231001")
    wrong = number[:17] + ("1" if number[17] != "1" else "2")
    assert read(wrong).findings == {
        Finding.INVALID_CHECK,
        Finding.IMPLAUSIBLE_DATE,
        Finding.SYNTHETIC,
    }


def test_the_hub_says_which_prefixes_are_synthetic():
    assert Finding.SYNTHETIC not in read(RESIDENT, synthetic=()).findings
    assert Finding.UNKNOWN_REGION in read(RESIDENT, synthetic=()).findings
    assert Finding.SYNTHETIC in read(RESIDENT, synthetic=("78", "7701")).findings


@pytest.mark.parametrize(
    "number", ["770101901301007"[:14], "77010119900201007", RESIDENT + "0", "X" * 18, "\u5f20"]
)
def test_a_number_of_another_shape_is_malformed_and_still_a_document(number):
    found = read(number)
    assert found.findings == {Finding.MALFORMED}
    assert found.holder == DocumentHolder()
    assert found.document.number == number


@given(residents())
def test_every_well_made_number_is_valid(number):
    found = read(number)
    assert found.findings == {Finding.VALID, Finding.SYNTHETIC}
    assert f"{found.holder.birth_date:%Y%m%d}" == number[6:14]


@given(residents(), st.integers(1, 17), st.data())
def test_one_wrong_character_is_always_found(number, at, data):
    alphabet = string.digits + ("X" if at == 17 else "")
    other = data.draw(st.sampled_from(alphabet.replace(number[at], "")))
    found = read(number[:at] + other + number[at + 1 :])
    assert Finding.INVALID_CHECK in found.findings
    assert Finding.VALID not in found.findings


@given(residents(), st.integers(1, 16))
def test_two_neighbours_swapped_are_always_found(number, at):
    if number[at] == number[at + 1] or number[at + 1] == "X":
        return
    swapped = number[:at] + number[at + 1] + number[at] + number[at + 2 :]
    assert Finding.INVALID_CHECK in read(swapped).findings


@pytest.mark.parametrize(
    ("number", "issuer", "findings"),
    [
        ("L898902C3", "UTO", {Finding.UNCHECKED, Finding.SYNTHETIC}),
        ("l898902-c3", "uto", {Finding.UNCHECKED, Finding.SYNTHETIC}),
        ("E00000000", "CHN", {Finding.UNCHECKED}),
        ("EA0000000", "CHN", {Finding.UNCHECKED}),
        ("G00000000", "CHN", {Finding.UNCHECKED}),
        ("EI0000000", "CHN", {Finding.UNCHECKED, Finding.UNKNOWN_SERIES}),
        ("EO0000000", "CHN", {Finding.UNCHECKED, Finding.UNKNOWN_SERIES}),
        ("K00000000", "CHN", {Finding.UNCHECKED, Finding.UNKNOWN_SERIES}),
        ("12345", "UTO", {Finding.UNCHECKED, Finding.SYNTHETIC}),
        ("1234", "UTO", {Finding.MALFORMED, Finding.SYNTHETIC}),
        ("1234567890", "UTO", {Finding.MALFORMED, Finding.SYNTHETIC}),
        ("AB/123456", "UTO", {Finding.MALFORMED, Finding.SYNTHETIC}),
        ("L898902C3", None, {Finding.UNCHECKED, Finding.UNKNOWN_ISSUER}),
        ("L898902C3", "", {Finding.UNCHECKED, Finding.UNKNOWN_ISSUER}),
        ("L898902C3", "UT", {Finding.UNCHECKED, Finding.UNKNOWN_ISSUER}),
        ("L898902C3", "D", {Finding.UNCHECKED}),
    ],
)
def test_a_passport_number_alone_is_never_valid(number, issuer, findings):
    assert read(number, DocumentKind.PASSPORT, issuer=issuer).findings == findings


def test_germany_is_one_issuer_under_both_of_its_codes():
    short = read("L898902C3", DocumentKind.PASSPORT, issuer="D")
    assert short == read("L898902C3", DocumentKind.PASSPORT, issuer="DEU")


def test_a_resident_number_is_the_same_document_whoever_names_its_issuer():
    assert read(RESIDENT, issuer="CHN") == read(RESIDENT)


def test_any_other_document_keeps_its_number_and_the_words_for_it():
    found = read("No. 12/ab 7", DocumentKind.OTHER, issuer="  temporary  id, Utopia rail ")
    assert found.document == Document(
        DocumentKind.OTHER, "NO.12/AB7", "TEMPORARY ID, UTOPIA RAIL"
    )
    assert found.findings == {Finding.UNCHECKED}


@pytest.mark.parametrize(
    ("number", "kinds"),
    [
        (RESIDENT, {DocumentKind.RESIDENT_ID}),
        (wide(RESIDENT), {DocumentKind.RESIDENT_ID}),
        (RESIDENT[:17] + "8", {DocumentKind.RESIDENT_ID, DocumentKind.OTHER}),
        (with_check("81000019900201001"), {DocumentKind.RESIDENT_ID}),
        (with_check("91112419900201001"), {DocumentKind.RESIDENT_ID}),
        ("770101900201007", {DocumentKind.RESIDENT_ID}),
        ("770101901301007", {DocumentKind.OTHER}),  # no month, so no old number
        ("UTO110000000001", {DocumentKind.FOREIGN_RESIDENT_CARD}),
        ("h00000001", {DocumentKind.HK_MACAU_PERMIT, DocumentKind.PASSPORT}),
        ("M0000 0001 02", {DocumentKind.HK_MACAU_PERMIT}),
        ("00000001", {DocumentKind.TAIWAN_PERMIT, DocumentKind.PASSPORT}),
        ("0000000102", {DocumentKind.TAIWAN_PERMIT, DocumentKind.OTHER}),
        ("L898902C3", {DocumentKind.PASSPORT}),
        ("E 0000 0000", {DocumentKind.PASSPORT}),
        ("EA0000000", {DocumentKind.PASSPORT}),
        ("G00000000", {DocumentKind.PASSPORT}),
        ("ABCDE", {DocumentKind.OTHER}),
        ("\u5f20\u4e09", {DocumentKind.OTHER}),
    ],
)
def test_kinds_are_told_apart_by_shape_and_check(number, kinds):
    assert set(documents.classify(number)) == kinds


@pytest.mark.parametrize(
    ("kind", "number", "findings"),
    [
        (DocumentKind.HK_MACAU_PERMIT, "H00000001", {Finding.UNCHECKED}),
        (DocumentKind.HK_MACAU_PERMIT, "m0000000102", {Finding.UNCHECKED}),
        (DocumentKind.HK_MACAU_PERMIT, "K00000001", {Finding.MALFORMED}),
        (DocumentKind.TAIWAN_PERMIT, "00000001", {Finding.UNCHECKED}),
        (DocumentKind.TAIWAN_PERMIT, "00000001 02", {Finding.UNCHECKED}),
        (DocumentKind.TAIWAN_PERMIT, "000000010", {Finding.MALFORMED}),
        (DocumentKind.FOREIGN_RESIDENT_CARD, "UTO110000000001", {Finding.UNCHECKED}),
        (DocumentKind.FOREIGN_RESIDENT_CARD, "UT0110000000001", {Finding.MALFORMED}),
        (DocumentKind.ID_CARD, "D23145890", {Finding.UNCHECKED, Finding.UNKNOWN_ISSUER}),
        (DocumentKind.VISA, "D/23", {Finding.MALFORMED, Finding.UNKNOWN_ISSUER}),
        (DocumentKind.MILITARY_ID, "\u519b\u5b57\u7b2c 1 \u53f7", {Finding.UNCHECKED}),
        (DocumentKind.POLICE_ID, "7", {Finding.UNCHECKED}),
        (DocumentKind.BIRTH_CERTIFICATE, "A000000001", {Finding.UNCHECKED}),
        (DocumentKind.TEMPORARY_ID, "no number yet", {Finding.UNCHECKED}),
        (DocumentKind.TEMPORARY_ID, RESIDENT, {Finding.VALID, Finding.SYNTHETIC}),
        (DocumentKind.HOUSEHOLD_REGISTER, RESIDENT, {Finding.VALID, Finding.SYNTHETIC}),
        (DocumentKind.TAIWAN_PERMIT, RESIDENT, {Finding.VALID, Finding.SYNTHETIC}),
    ],
)
def test_every_kind_is_read_and_none_refused(kind, number, findings):
    found = read(number, kind)
    assert found.document.kind is kind
    assert found.findings == findings
    assert (found.holder.sex is not None) == (number == RESIDENT)


@pytest.mark.parametrize("kind", sorted(DocumentKind))
def test_a_specimen_of_any_kind_is_marked(kind):
    found = read(
        RESIDENT if kind is DocumentKind.RESIDENT_ID else "H00000001", kind, issuer="UTO"
    )
    assert Finding.SYNTHETIC in found.findings


@pytest.mark.parametrize(
    ("digits", "born", "sex", "findings"),
    [
        ("770101900201007", dt.date(1990, 2, 1), Sex.MALE, {Finding.SYNTHETIC}),
        ("770101900201008", dt.date(1990, 2, 1), Sex.FEMALE, {Finding.SYNTHETIC}),
        ("770101901301007", None, Sex.MALE, {Finding.SYNTHETIC, Finding.IMPLAUSIBLE_DATE}),
        ("160101900201007", dt.date(1990, 2, 1), Sex.MALE, {Finding.UNKNOWN_REGION}),
    ],
)
def test_an_old_number_is_read_with_a_finding(digits, born, sex, findings):
    found = read(digits)
    assert found.document.number == digits
    assert found.findings == findings | {Finding.OLD_NUMBER, Finding.UNCHECKED}
    assert found.holder == DocumentHolder(birth_date=born, sex=sex)


OLD = {
    "RESIDENT_ID": (RESIDENT, None),
    "PASSPORT": ("H00000001", "CHN"),
    "OTHER": ("UTO110000000001", None),
}


@pytest.mark.parametrize(
    ("kind", "number", "issuer", "as_before"),
    [
        (DocumentKind.RESIDENT_ID, RESIDENT, None, "RESIDENT_ID"),
        (DocumentKind.RESIDENT_ID, "770101900201007", None, "RESIDENT_ID"),
        (DocumentKind.TEMPORARY_ID, RESIDENT, "Utopia rail", "RESIDENT_ID"),
        (DocumentKind.HOUSEHOLD_REGISTER, RESIDENT, None, "RESIDENT_ID"),
        (DocumentKind.FOREIGN_RESIDENT_CARD, RESIDENT, "CHN", "RESIDENT_ID"),
        (DocumentKind.PASSPORT, "H00000001", "CHN", "PASSPORT"),
        (DocumentKind.HK_MACAU_PERMIT, "H00000001", None, "PASSPORT"),
        (DocumentKind.HK_MACAU_PERMIT, "H0000000102", "CHN", "PASSPORT"),
        (DocumentKind.HK_MACAU_PERMIT, "H0000000103", "HKG", "PASSPORT"),
        (DocumentKind.FOREIGN_RESIDENT_CARD, "UTO110000000001", None, "OTHER"),
        (DocumentKind.OTHER, "UTO110000000001", None, "OTHER"),
    ],
)
def test_who_was_met_before_there_were_these_kinds_is_met_again(
    kind, number, issuer, as_before
):
    """The words are those of the first release, under which people are stored."""
    was, by = OLD[as_before]
    known = documents.recognised(read(number, kind, issuer=issuer).document)
    assert known == Document(DocumentKind(as_before), was, by)


@pytest.mark.parametrize(
    ("kind", "number", "issuer"),
    [
        (DocumentKind.PASSPORT, RESIDENT, "UTO"),
        (DocumentKind.OTHER, RESIDENT, None),
        (DocumentKind.PASSPORT, "H0000000102", "CHN"),
        (DocumentKind.ID_CARD, "H00000001", "CHN"),
        (DocumentKind.VISA, "H00000001", "CHN"),
        (DocumentKind.MILITARY_ID, "H00000001", None),
        (DocumentKind.HK_MACAU_PERMIT, "H1", None),
    ],
)
def test_what_is_not_surely_the_same_paper_is_another(kind, number, issuer):
    document = read(number, kind, issuer=issuer).document
    assert documents.recognised(document) == document


def test_a_specimen_is_never_met_as_a_living_person():
    kind = DocumentKind.HK_MACAU_PERMIT
    living, made_up = (read("H00000001", kind, issuer=by).document for by in ("CHN", "UTO"))
    assert documents.recognised(living) != documents.recognised(made_up)


def test_an_operators_list_of_divisions_is_taken_for_whole(tmp_path):
    path = tmp_path / "regions.csv"
    path.write_text(
        "code,name,since,until\n330113,x,2021,\n330184,y,,2001\n", encoding="utf-8-sig"
    )
    listed = regions.load(path)
    judged = {
        digits: Finding.UNKNOWN_REGION
        in read(with_check(digits + "19900201001"), divisions=listed).findings
        for digits in ("330113", "330184", "330114", "160000")
    }
    assert judged == {"330113": False, "330184": False, "330114": True, "160000": True}
    assert Finding.VALID in read(with_check("33011419900201001"), divisions=listed).findings


@pytest.mark.parametrize(
    "content",
    [
        "",
        "code,since,until\n",
        "code,since,until\n33,,\n",
        "code,since,until\n330113,x,\n",
        "code,since,until\n330113,2021,2001\n",
        "code\n" + "330113\n" * 600_000,
        "\udcff",
    ],
    ids=["empty", "no row", "short code", "no year", "years", "too long", "no UTF-8"],
)
def test_a_list_that_cannot_be_read_is_refused_at_the_start(tmp_path, content):
    path = tmp_path / "regions.csv"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(SettingsError, match="TWINSTILE_REGIONS_FILE"):
        startup.open_runtime(settings.load(regions_file=path, data_dir=tmp_path), NOWHERE)


@pytest.mark.parametrize(
    "text",
    ["", "   ", "-", "77\x00", "77\n", "\x1b[2J", "\ud800", "7" * 65, "\ufdfa" * 40],
    ids=["empty", "blank", "dash", "NUL", "line end", "escape", "surrogate", "long", "grows"],
)
def test_text_no_document_carries_is_refused_without_an_echo(text):
    with pytest.raises(InvalidText) as refusal:
        documents.normalise(text)
    assert "77" not in str(refusal.value)


@given(st.sampled_from(DocumentKind), ANY_TEXT, st.none() | ANY_TEXT)
def test_reading_any_text_raises_nothing_but_the_typed_refusal(kind, number, issuer):
    try:
        found = read(number, kind, issuer=issuer)
    except InvalidText:
        return
    assert 0 < len(found.document.number) <= 64
    assert found.findings
    if Finding.VALID in found.findings:
        assert found.findings.isdisjoint(FAULTS | {Finding.UNCHECKED})


@given(ANY_TEXT)
def test_normalising_twice_changes_nothing(text):
    try:
        once = documents.normalise(text)
    except InvalidText:
        return
    assert documents.normalise(once) == once
    once.encode()


def test_a_logged_document_tells_neither_number_nor_birth(caplog):
    caplog.set_level(logging.INFO)
    logging.getLogger("lane").info("%r %s", read(RESIDENT), read(RESIDENT))
    assert "0079" not in caplog.text
    assert "1990" not in caplog.text
