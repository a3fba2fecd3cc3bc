"""The specimen of ICAO Doc 9303 part 4, and zones written by the writer below."""

import datetime as dt
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstile.identity import documents, mrz
from twinstile.identity.mrz_layouts import Part
from twinstile.identity.types import (
    FAULTS,
    Document,
    DocumentHolder,
    DocumentKind,
    Finding,
    Sex,
)

TODAY = dt.date(2012, 4, 15)  # the last day of the specimen
SPECIMEN = (
    "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
    "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
)


def digit(characters):
    values = [int(c, 36) if c != "<" else 0 for c in characters]
    return str(sum(v * (7, 3, 1)[i % 3] for i, v in enumerate(values)) % 10)


def write(
    *,
    code="P",
    issuer="UTO",
    name="ERIKSSON<<ANNA<MARIA",
    number="L898902C3",
    birth="740812",
    sex="F",
    expiry="120415",
    optional="ZE184226B",
    optional_digit=None,
):
    number, optional = number.ljust(9, "<"), optional.ljust(14, "<")
    numbered = number + digit(number)
    born = birth + digit(birth)
    rest = expiry + digit(expiry) + optional + (optional_digit or digit(optional))
    return (
        f"{code:<<2}{issuer:<<3}{name:<<39}",
        f"{numbered}{issuer:<<3}{born}{sex}{rest}{digit(numbered + born + rest)}",
    )


def read(lines, today=TODAY):
    return mrz.read(lines, today=today)


def test_the_specimen_reads_as_printed():
    zone = read(SPECIMEN)
    assert zone.read.document == Document(DocumentKind.PASSPORT, "L898902C3", "UTO")
    assert zone.read.holder == DocumentHolder(
        "ERIKSSON ANNA MARIA", dt.date(1974, 8, 12), Sex.FEMALE
    )
    assert zone.read.findings == {Finding.VALID, Finding.SYNTHETIC}
    assert (zone.code, zone.nationality) == ("P", "UTO")
    assert (zone.primary, zone.secondary, zone.name_cut) == ("ERIKSSON", "ANNA MARIA", False)
    assert zone.born == "1974-08-12"
    assert zone.expires_on == TODAY
    assert zone.failed == set()
    assert write() == SPECIMEN


def test_a_zone_and_a_keyed_number_are_the_same_document():
    keyed = documents.read(
        DocumentKind.PASSPORT, "l898902 c3", issuer="D", today=TODAY
    ).document
    assert read(write(issuer="D")).read.document == keyed
    assert read(write(issuer="D")).nationality == "DEU"


@pytest.mark.parametrize(
    ("line", "at", "parts"),
    [
        (1, 0, {Part.NUMBER, Part.COMPOSITE}),
        (1, 9, {Part.NUMBER, Part.COMPOSITE}),
        (1, 14, {Part.BIRTH, Part.COMPOSITE}),
        (1, 22, {Part.EXPIRY, Part.COMPOSITE}),
        (1, 30, {Part.OPTIONAL, Part.COMPOSITE}),
        (1, 42, {Part.OPTIONAL, Part.COMPOSITE}),
        (1, 43, {Part.COMPOSITE}),
        (0, 6, set()),  # no digit guards the name,
        (1, 10, set()),  # nor the nationality
    ],
)
def test_a_misread_character_fails_the_digits_that_cover_it(line, at, parts):
    lines = list(SPECIMEN)
    old = lines[line][at]
    new = "5" if old in string.digits else "Z" if old != "Z" else "A"
    lines[line] = lines[line][:at] + new + lines[line][at + 1 :]
    zone = read(lines)
    assert zone.failed == parts
    assert (Finding.INVALID_CHECK in zone.read.findings) == bool(parts)
    assert (Finding.VALID in zone.read.findings) == (not parts)


@pytest.mark.parametrize("left_out", ["0", "<"])
def test_empty_optional_data_may_leave_out_its_digit(left_out):
    assert read(write(optional="", optional_digit=left_out)).failed == set()
    assert read(write(optional="A", optional_digit="<")).failed == {Part.OPTIONAL}


@pytest.mark.parametrize(
    ("name", "primary", "secondary", "cut"),
    [
        ("ERIKSSON<<ANNA<MARIA", "ERIKSSON", "ANNA MARIA", False),
        ("VAN<DER<MUELLEN<<INGE<JAN", "VAN DER MUELLEN", "INGE JAN", False),
        ("ARKFREITH", "ARKFREITH", "", False),
        (
            "NILAVADHANANANDA<<CHAYAPA<DEJTHAMRONG<",
            "NILAVADHANANANDA",
            "CHAYAPA DEJTHAMRONG",
            False,
        ),
        (
            "NILAVADHANANANDA<<CHAYAPA<DEJTHAMRONG<K",
            "NILAVADHANANANDA",
            "CHAYAPA DEJTHAMRONG K",
            True,
        ),
    ],
)
def test_names_split_at_the_double_filler(name, primary, secondary, cut):
    zone = read(write(name=name))
    assert (zone.primary, zone.secondary, zone.name_cut) == (primary, secondary, cut)
    assert Finding.VALID in zone.read.findings


@pytest.mark.parametrize(
    "changed", [{"name": "<<ANNA"}, {"name": "<"}, {"name": "ER1KSSON"}, {"sex": "Q"}]
)
def test_a_zone_with_an_impossible_field_is_malformed_and_still_read(changed):
    zone = read(write(**changed))
    assert Finding.MALFORMED in zone.read.findings
    assert Finding.VALID not in zone.read.findings
    assert zone.read.document.number == "L898902C3"


@pytest.mark.parametrize(
    ("birth", "born", "finding"),
    [
        ("740812", "1974-08-12", None),
        ("7408<<", "1974-08", Finding.INCOMPLETE_DATE),
        ("74<<<<", "1974", Finding.INCOMPLETE_DATE),
        ("74<<12", "1974", Finding.INCOMPLETE_DATE),
        ("<<<<<<", "", Finding.INCOMPLETE_DATE),
        ("<<0812", "", Finding.INCOMPLETE_DATE),
        ("740231", "", Finding.IMPLAUSIBLE_DATE),
        ("7413<<", "", Finding.IMPLAUSIBLE_DATE),
        ("7<0812", "", Finding.IMPLAUSIBLE_DATE),
        ("74O812", "", Finding.IMPLAUSIBLE_DATE),
        ("120415", "2012-04-15", None),  # born today,
        ("120416", "1912-04-16", None),  # and a century ago, not tomorrow
        ("1204<<", "2012-04", Finding.INCOMPLETE_DATE),
        ("1205<<", "1912-05", Finding.INCOMPLETE_DATE),
        ("13<<<<", "1913", Finding.INCOMPLETE_DATE),
        ("000229", "2000-02-29", None),
    ],
)
def test_a_birth_is_the_latest_not_after_today_at_the_precision_known(birth, born, finding):
    zone = read(write(birth=birth))
    dates = {Finding.INCOMPLETE_DATE, Finding.IMPLAUSIBLE_DATE}
    assert zone.born == born
    assert zone.read.findings & dates == ({finding} if finding else set())
    assert zone.read.holder.birth_date == (
        dt.date.fromisoformat(born) if len(born) == 10 else None
    )
    assert zone.failed == set()


@pytest.mark.parametrize(
    ("expiry", "expires_on", "finding"),
    [
        ("120415", dt.date(2012, 4, 15), None),
        ("120414", dt.date(2012, 4, 14), Finding.EXPIRED),
        ("610101", dt.date(2061, 1, 1), None),
        ("620101", dt.date(1962, 1, 1), Finding.EXPIRED),
        ("<<<<<<", None, None),
        ("12<<<<", None, Finding.IMPLAUSIBLE_DATE),
        ("120431", None, Finding.IMPLAUSIBLE_DATE),
    ],
)
def test_an_expiry_is_the_one_nearest_to_today(expiry, expires_on, finding):
    zone = read(write(expiry=expiry))
    assert zone.expires_on == expires_on
    assert zone.read.findings - {Finding.VALID, Finding.SYNTHETIC} == (
        {finding} if finding else set()
    )


@pytest.mark.parametrize("code", ["P", "PP", "PO", "PE", "PM", "PS", "PD"])
def test_every_sort_of_passport_is_a_passport(code):
    zone = read(write(code=code))
    assert zone.code == code
    assert zone.read.document.kind is DocumentKind.PASSPORT


@pytest.mark.parametrize(
    ("letter", "sex"),
    [("M", Sex.MALE), ("F", Sex.FEMALE), ("<", Sex.UNSPECIFIED), ("X", Sex.UNSPECIFIED)],
)
def test_sex_is_what_the_zone_says(letter, sex):
    assert read(write(sex=letter)).read.holder.sex is sex


def test_fillers_inside_a_number_are_the_dashes_it_is_printed_with():
    assert read(write(number="AB<12<3")).read.document.number == "AB123"


@pytest.mark.parametrize(
    "lines",
    [
        (),
        SPECIMEN[:1],
        (*SPECIMEN, SPECIMEN[1]),
        [SPECIMEN[0]] * 1000,
        (SPECIMEN[0][:-1], SPECIMEN[1]),
        (SPECIMEN[0] + "<", SPECIMEN[1]),
        (SPECIMEN[0] + " " * 1_000_000, SPECIMEN[1]),
        (SPECIMEN[0].lower(), SPECIMEN[1]),
        (SPECIMEN[0][:-1] + "\u00c5", SPECIMEN[1]),
        (SPECIMEN[0][:-1] + "\ud800", SPECIMEN[1]),
        ("<" + SPECIMEN[0][1:], SPECIMEN[1]),
        write(number=""),
    ],
    ids=[
        "no lines", "one line", "three lines", "many lines", "short", "long", "huge",
        "lower case", "letter", "surrogate", "no code", "no number",
    ],
)  # fmt: skip
def test_what_is_no_zone_known_here_is_refused_without_an_echo(lines):
    with pytest.raises(mrz.InvalidZone) as refusal:
        read(lines)
    assert "ERIKSSON" not in str(refusal.value).upper()


def test_line_ends_of_a_reader_do_not_matter():
    assert read([line + "\r\n" for line in SPECIMEN]) == read(SPECIMEN)


LETTERS = st.text(string.ascii_uppercase, min_size=1, max_size=8)
WORDS = st.lists(LETTERS, min_size=1, max_size=2)


@given(
    number=st.text(string.ascii_uppercase + string.digits, min_size=1, max_size=9),
    primary=WORDS,
    secondary=WORDS,
    birth=st.dates(dt.date(1912, 4, 16), TODAY),
    expiry=st.dates(dt.date(1962, 1, 1), dt.date(2061, 12, 31)),
    sex=st.sampled_from("MF<"),
    optional=st.text(string.ascii_uppercase + string.digits + "<", max_size=14),
)
def test_what_was_written_is_read(*, number, primary, secondary, birth, expiry, sex, optional):
    zone = read(
        write(
            name=f"{'<'.join(primary)}<<{'<'.join(secondary)}",
            number=number,
            birth=f"{birth:%y%m%d}",
            sex=sex,
            expiry=f"{expiry:%y%m%d}",
            optional=optional,
        )
    )
    assert zone.read.document.number == number
    assert (zone.primary, zone.secondary) == (" ".join(primary), " ".join(secondary))
    assert zone.read.holder.birth_date == birth
    assert zone.expires_on == expiry
    assert zone.failed == set()
    assert Finding.VALID in zone.read.findings


ZONE_TEXT = st.text(string.ascii_uppercase + string.digits + "<", min_size=44, max_size=44)


@given(
    ZONE_TEXT.map(lambda line: "P" + line[1:]),
    ZONE_TEXT,
    st.dates(dt.date(1900, 1, 1), dt.date(2199, 12, 31)),
)
def test_any_two_lines_of_the_alphabet_are_read(first, second, today):
    try:
        found = read((first, second), today=today).read.findings
    except mrz.InvalidZone:
        assert second.startswith("<" * 9)
        return
    assert (Finding.VALID in found) == found.isdisjoint(FAULTS)


@given(st.lists(st.text(st.characters(), max_size=100), max_size=4))
def test_any_text_raises_nothing_but_the_typed_refusal(lines):
    with pytest.raises(mrz.InvalidZone):
        read(lines)


def test_a_zone_in_a_log_tells_neither_name_nor_number_nor_birth():
    shown = repr(read(SPECIMEN))
    assert not [told for told in ("ERIKSSON", "ANNA", "L898902", "1974") if told in shown]
