import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstile.identity import documents, names
from twinstile.identity.types import Document, DocumentKind, InvalidText

ZHANG_SAN = "\u5f20\u4e09"
DOTS = "\u00b7\u2022\u2027\u2219\u22c5\u30fb\uff65"


@pytest.mark.parametrize(
    ("kind", "number", "shown"),
    [
        (DocumentKind.RESIDENT_ID, "770101199002010015", "770101********0015"),
        (DocumentKind.RESIDENT_ID, "770101900201007", "770101******007"),
        (DocumentKind.TEMPORARY_ID, "770101199002010015", "770101********0015"),
        (DocumentKind.HK_MACAU_PERMIT, "H0000000102", "H0*******02"),
        (DocumentKind.TAIWAN_PERMIT, "00000001", "00****01"),
        (DocumentKind.FOREIGN_RESIDENT_CARD, "UTO110000000001", "UT***********01"),
        (DocumentKind.MILITARY_ID, "770101199002010015", "77**************15"),
        (DocumentKind.PASSPORT, "L898902C3", "L8*****C3"),
        (DocumentKind.PASSPORT, "AB12345", "A****45"),
        (DocumentKind.PASSPORT, "12345", "1**45"),
        (DocumentKind.OTHER, "1234", "****"),
        (DocumentKind.OTHER, "7", "*"),
        (DocumentKind.OTHER, "770101199002010015", "77**************15"),
    ],
)
def test_a_masked_number_shows_its_ends(kind, number, shown):
    assert names.mask_number(Document(kind, number)) == shown


@given(
    st.sampled_from(DocumentKind),
    st.text(min_size=1, max_size=64)
    | st.from_regex(r"[1-9][0-9]{14}([0-9]{3})?", fullmatch=True),
)
def test_a_masked_number_never_shows_the_middle(kind, number):
    shown = names.mask_number(Document(kind, number))
    known = documents.recognised(Document(kind, number))
    resident = known.kind is DocumentKind.RESIDENT_ID and len(known.number) == 18
    head, tail = {15: (6, 3), 18: (6, 4)}[len(number)] if resident else (2, 2)
    middle = shown[head : len(number) - tail]
    assert len(shown) == len(number)
    assert "*" in shown
    assert middle == "*" * len(middle)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (ZHANG_SAN, "\u5f20*"),
        (ZHANG_SAN[0], "\u5f20*"),
        ("\u5f20 \u4f1f", "\u5f20* **"),  # each word is one character: the name would be whole
        ("\u963f\u535c\u675c\u62c9\u00b7\u4e70\u4e70\u63d0", "\u963f*"),
        ("ERIKSSON ANNA MARIA", "E. A. M."),
        ("Anna  Eriksson", "A. E."),
        (f"{ZHANG_SAN} ZHANG SAN", "\u5f20* Z. S."),
        ("\u0639\u0644\u064a \u062d\u0633\u0646", "\u0639* \u062d*"),
        ("", ""),
    ],
)
def test_a_masked_name_keeps_first_characters(name, shown):
    assert names.mask_name(name) == shown


@given(st.text(max_size=128))
def test_a_masked_name_has_two_characters_for_each_word(name):
    assert [len(word) for word in names.mask_name(name).split(" ") if word] == [2] * len(
        name.split()
    )


@pytest.mark.parametrize(
    "spelling", ["anna  eriksson", " Anna\u3000ERIKSSON ", "An\u00adna\u2003Eriksson\u200b"]
)
def test_spellings_of_a_name_compare_equal(spelling):
    assert names.normalise(spelling) == "ANNA ERIKSSON"


@pytest.mark.parametrize("dot", ["", *DOTS])
def test_the_dot_inside_a_name_does_not_matter(dot):
    assert names.normalise(f"\u963f\u4e0d{dot}\u4e70\u63d0") == "\u963f\u4e0d\u4e70\u63d0"


def test_accents_compare_equal_however_they_are_composed():
    assert names.normalise("Jose\u0301") == names.normalise("JOS\u00c9")


@pytest.mark.parametrize("name", ["", "\u00b7", "A\x00", "\udfff", "A" * 129])
def test_text_that_is_no_name_is_refused(name):
    with pytest.raises(InvalidText):
        names.normalise(name)


@given(st.text(st.characters(), max_size=140))
def test_normalising_twice_changes_nothing_and_raises_only_the_typed_refusal(name):
    try:
        once = names.normalise(name)
    except InvalidText:
        return
    assert names.normalise(once) == once
    assert once == " ".join(once.split())
