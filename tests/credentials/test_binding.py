"""Whose credential it is: spellings, parts, dates, numbers, and what a human is told."""

import json
import time
import unicodedata

import pytest
import vectors
from hypothesis import given, settings
from hypothesis import strategies as st

from twinstile.credentials import binding, transliteration
from twinstile.credentials.types import Holder, MatchReason, Subject, SubjectMatch

EXACT, COMPATIBLE = SubjectMatch.EXACT, SubjectMatch.COMPATIBLE
POSSIBLE, MISMATCH = SubjectMatch.POSSIBLE, SubjectMatch.MISMATCH
R = MatchReason
BORN = "1990-01-02"


def match(zone, holder, born=BORN, **more):
    primary, _, secondary = zone.partition("<<")
    return binding.match(Subject(primary, secondary, born=born, **more), holder)


def latin_holder(names, born=BORN, **more):
    family, _, given_names = names.partition("<<")
    return Holder(family_latin=family, given_latin=given_names, born=born, **more)


@pytest.mark.parametrize(
    ("zone", "said", "found", "reasons"),
    [
        ("MUSTERMANN<<ERIKA", "MUSTERMANN<<ERIKA", EXACT, ()),
        ("MUSTERMANN<<ERIKA", "DR<MUSTERMANN<<ERIKA", EXACT, ()),
        ("MUSTERMANN<<ERIKA<MARIA", "MUSTERMANN<<ERIKA", COMPATIBLE, (R.NAME_PARTS_LEFT_OUT,)),
        ("MUSTERMANN<<ERIKA", "MUSTERMANN<GABLER<<ERIKA", COMPATIBLE, (R.NAME_PARTS_LEFT_OUT,)),
        ("MUSTERMANN", "MUSTERMANN<<ERIKA", COMPATIBLE, (R.NAME_PARTS_LEFT_OUT,)),
        ("VAN<DER<BERG<<PIET", "VANDERBERG<<PIET", COMPATIBLE, (R.NAME_PARTS_LEFT_OUT,)),
        ("ERIKA<<MUSTERMANN", "MUSTERMANN<<ERIKA", COMPATIBLE, (R.NAMES_SWAPPED,)),
        ("MULLER<<ERIKA", "MUELLER<<ERIKA", POSSIBLE, (R.NAME_SPELT_OTHERWISE,)),
        ("IVANOV<<IURII", "IVANOV<<JURIJ", POSSIBLE, (R.NAME_SPELT_OTHERWISE,)),
        ("MENEKSES<<ANA", "MENEXES<<ANA", POSSIBLE, (R.NAME_SPELT_OTHERWISE,)),
        ("MEIER<<ANNA", "MAIER<<ANNA", POSSIBLE, (R.NAME_SPELT_OTHERWISE,)),
        ("LI<<WEI", "LU<<WEI", MISMATCH, (R.NAME_DIFFERS,)),
        ("SMITH<<JOHN", "SMITH<<JANE", MISMATCH, (R.NAME_DIFFERS,)),
        ("SMITH<<JOHN", "JONES<<JOHN", MISMATCH, (R.NAME_DIFFERS,)),
        ("SMITH<<MARIA<ANNA", "SMITH<<ANNA<MARIA", MISMATCH, (R.NAME_DIFFERS,)),
    ],
)
def test_names_as_machines_spell_them(zone, said, found, reasons):
    assert match(zone, latin_holder(said)) == (found, reasons)


@pytest.mark.parametrize(
    ("zone", "family", "given_name"),
    [
        ("MULLER<<ERIKA", "Müller", "Erika"),
        ("MUELLER<<ERIKA", "Müller", "Erika"),
        ("MUXXLLER<<ERIKA", "Müller", "Erika"),
        ("OBRIEN<<SEAN", "O'Brien", "Seán"),
        ("AAKJAER<<SOEREN", "Åkjær", "Søren"),
        ("WEISS<<JOSE", "Weiß", "José"),
        ("NUNEZ<GARCIA<<ANA<MARIA", "Núñez García", "Ana-María"),
        ("IVANOV<<IURII", "Иванов", "Юрий"),
        ("PAPADOPOULOS<<ELENI", "Παπαδόπουλος", "Ελένη"),
        ("CISEK<<LUKASZ", "Cisek", "Łukasz"),
    ],
)
def test_a_name_in_its_own_letters_has_every_spelling_the_tables_allow(
    zone, family, given_name
):
    assert match(zone, Holder(family=family, given=given_name, born=BORN)) == (EXACT, ())


@pytest.mark.parametrize("said", [{"family": "Mustermann"}, {"given": "Erika"}])
def test_half_a_name_is_not_a_person(said):
    """Of twins, whom a birth date does not tell apart either, both have that surname."""
    found = match("MUSTERMANN<<ERIKA", Holder(born=BORN, **said))
    assert found == (POSSIBLE, (R.NAME_PARTS_LEFT_OUT,))
    assert match("MUSTERMANN", Holder(born=BORN, family="Mustermann"))[0] is EXACT


def test_a_zone_that_is_full_may_break_off_within_a_name():
    whole = latin_holder("FEATHERSTONEHAUGH<<ALEXANDER<PETER")
    zone = "FEATHERSTONEHAUGH<<ALEXAND"
    assert match(zone, whole, name_cut=True) == (COMPATIBLE, (R.NAME_CUT_SHORT,))
    assert match(zone, whole)[0] is not COMPATIBLE


def test_scripts_are_compared_with_themselves_alone():
    han = Holder(family="欧阳", given="美·华", born=BORN)
    assert match("OUYANG<<MEIHUA", han) == (POSSIBLE, (R.NAME_IN_OTHER_SCRIPT,))
    assert match("OUYANG<<MEIHUA", han, native="欧阳美华") == (EXACT, ())
    assert match("OUYANG<<MEIHUA", han, native="欧阳美花")[0] is POSSIBLE


@pytest.mark.parametrize(
    ("whole", "found"),
    [
        ("JANE SUE CITIZEN", EXACT),
        ("Citizen, Jane Sue", EXACT),
        ("Jane Citizen", COMPATIBLE),
        ("Citizen", POSSIBLE),
        ("John Citizen", MISMATCH),
    ],
)
def test_a_name_that_is_not_divided_is_read_in_both_orders(whole, found):
    assert match("CITIZEN<<JANE<SUE", Holder(whole=whole, born=BORN))[0] is found


@pytest.mark.parametrize(
    ("shown", "said", "found", "reason"),
    [
        (BORN, "1990", COMPATIBLE, R.BIRTH_DATE_PARTIAL),
        (BORN, "1990-01", COMPATIBLE, R.BIRTH_DATE_PARTIAL),
        ("1990-01", "1990-01-02", COMPATIBLE, R.BIRTH_DATE_PARTIAL),
        (BORN, "1990-00-00", COMPATIBLE, R.BIRTH_DATE_PARTIAL),
        (BORN, "", POSSIBLE, R.BIRTH_DATE_UNKNOWN),
        (BORN, "1990-01-03", MISMATCH, R.BIRTH_DATE_DIFFERS),
        (BORN, "1991", MISMATCH, R.BIRTH_DATE_DIFFERS),
        ("2021-03-04", "1921-03-04", POSSIBLE, R.BIRTH_DATE_DIFFERS),  # a centenarian's zone
        ("2021-03-04", "1921-03-05", MISMATCH, R.BIRTH_DATE_DIFFERS),
    ],
)
def test_birth_dates_agree_as_far_as_both_know_them(shown, said, found, reason):
    name = "SMITH<<JOHN"
    assert match(name, latin_holder(name, said), born=shown) == (found, (reason,))


def test_the_number_of_the_document_beats_a_spelling_and_saves_no_stranger():
    seal = latin_holder("MAIER<<ANNA", passport="PA0941262")
    assert match("MEIER<<ANNA", seal, number="pa 0941262") == (
        COMPATIBLE,
        (R.NUMBER_AGREES, R.NAME_SPELT_OTHERWISE),
    )
    assert match("SMITH<<JOHN", seal, number="PA0941262")[0] is POSSIBLE
    assert match("MAIER<<ANNA", seal, number="PB1234567") == (POSSIBLE, (R.NUMBER_DIFFERS,))
    assert match("MAIER<<ANNA", seal, born="1990-01-03", number="PA0941262")[0] is MISMATCH


def test_a_number_of_another_paper_tells_nothing_where_it_differs():
    card = latin_holder("MAIER<<ANNA", other_number="16337361-9")
    assert match("MAIER<<ANNA", card, number="PB1234567") == (EXACT, ())


NAMES = st.text(max_size=40)


@settings(max_examples=40)
@given(NAMES, NAMES, NAMES, NAMES)
def test_any_text_gets_a_class_and_a_class_is_given_twice(
    primary, secondary, family, given_name
):
    subject = Subject(primary, secondary, born=BORN)
    holder = Holder(family=family, given=given_name, born=BORN)
    assert binding.match(subject, holder) == binding.match(subject, holder)


@given(
    st.text(alphabet=st.characters(categories=["Lu", "Ll"], max_codepoint=0x17F), min_size=1)
)
def test_a_name_matches_itself(name):
    if transliteration.words(name):
        assert match(name, Holder(family=name, born=BORN))[0] is EXACT


@vectors.needed
def test_most_names_of_the_public_vectors_match_their_own_transliteration():
    pairs = set()
    for line in (
        (vectors.DATA / "eu-dcc" / "dgc-testdata.jsonl").read_text("utf-8").splitlines()
    ):
        names = json.loads(line)["vector"].get("JSON", {}).get("nam", {})
        if names.get("fnt") and names.get("fn"):
            pairs.add(tuple(names.get(one, "") for one in ("fn", "gn", "fnt", "gnt")))
    good = 0
    for family, given_name, family_latin, given_latin in pairs:
        holder = Holder(
            family=unicodedata.normalize("NFC", family), given=given_name, born=BORN
        )
        good += match(f"{family_latin}<<{given_latin}", holder)[0] in {EXACT, COMPATIBLE}
    assert good / len(pairs) > 0.9, (good, len(pairs))


def test_a_name_without_end_is_not_compared_to_its_end():
    marks = "\u0301\u0316" * 20_000  # to put them in order takes the square of their number
    endless = Holder(family=marks, whole=marks, passport=marks, other_number=marks, born=marks)
    began = time.process_time()
    found, _ = match("LI", endless, born="1990", native="李", number="1")
    assert found is POSSIBLE
    assert time.process_time() - began < 1.0
