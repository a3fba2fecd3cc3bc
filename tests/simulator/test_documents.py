from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstile_simulator import documents

DATES = st.dates(date(1930, 1, 1), date(2025, 12, 31))


@given(st.integers(0, 9999), DATES, st.integers(0, 999))
def test_a_resident_id_satisfies_iso_7064_and_belongs_to_no_province(
    area: int, birth: date, serial: int
):
    number = documents.resident_id(area, birth, serial).number
    assert len(number) == 18
    assert number.startswith("77")
    values = [10 if character == "X" else int(character) for character in number]
    assert sum(v * pow(2, 17 - i, 11) for i, v in enumerate(values)) % 11 == 1


def test_a_published_synthetic_number_is_made_again():
    number = documents.resident_id(101, date(1990, 2, 1), 7).number
    assert number == "770101199002010079"


def test_a_passport_has_the_check_digits_of_the_icao_specimen():
    made = documents.passport(
        "L898902C3", "Eriksson", "Anna Maria", date(1974, 8, 12), date(2012, 4, 15)
    )
    assert made.mrz is not None
    names, numbers = made.mrz
    assert names == "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<"
    # Doc 9303 part 4 prints sex F, a personal number and hence another composite digit
    assert numbers[:20] == "L898902C36UTO7408122"
    assert numbers[20:28] == "<1204159"


@pytest.mark.parametrize("number", ["L00010002", "A1"])
def test_both_lines_of_a_passport_are_44_characters(number: str):
    made = documents.passport(number, "X" * 40, "Y", date(2000, 1, 1), date(2030, 1, 1))
    assert made.mrz is not None
    assert [len(line) for line in made.mrz] == [44, 44]
