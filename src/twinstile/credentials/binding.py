"""Whether a credential is this person's: names, birth date and number against a document.

Issuers leave out middle names, swap fields, and transliterate as their state does, so equality
of names is too strict for half of all honest holders, and a shared surname is too lax for a
gate. Five classes come out; only the first two keep a green credential green, and POSSIBLE goes
to a human with the reason. Native script is never compared with Latin letters by algorithm.
"""

import re
import unicodedata
from collections.abc import Sequence
from itertools import islice, product
from typing import Final

from twinstile.credentials import transliteration
from twinstile.credentials.transliteration import Word
from twinstile.credentials.types import Holder, MatchReason, Subject, SubjectMatch

Match = tuple[SubjectMatch, tuple[MatchReason, ...]]

_R = MatchReason
_BORN: Final = re.compile(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?")
_DOTS: Final = re.compile(r"[\s·•‧∙⋅・]")
_MOST: Final = 1000
"""Characters of a name or number, more than any document shows of either."""
_CENTURY: Final = 100
_SHORTEST_TYPO: Final = 4
"""Characters: among shorter words one letter makes another name."""
_SOUNDS: Final = (
    ("SHCH", "S"), ("TSCH", "S"), ("SCH", "S"), ("TCH", "S"), ("CH", "S"), ("SH", "S"),
    ("ZH", "Z"), ("KH", "H"), ("PH", "F"), ("TH", "T"), ("KS", "X"), ("TS", "Z"), ("TZ", "Z"),
    ("CK", "K"), ("OU", "U"), ("OO", "U"), ("EE", "I"), ("IY", "I"), ("W", "V"), ("C", "K"),
    ("Q", "K"), ("J", "I"), ("Y", "I"), ("G", "H"),
)  # fmt: skip
"""What romanisations write differently, folded together, the longest first."""
_REPEATED: Final = re.compile(r"(.)\1+")


def match(subject: Subject, holder: Holder) -> Match:
    """The class, and what a human ought to know of it."""
    born, about_birth = _birth(subject.born, holder.born)
    if born is SubjectMatch.MISMATCH:
        return born, about_birth
    named, about_name = _name(subject, holder)
    number = _number(subject.number, holder)
    if number is _R.NUMBER_AGREES:  # the number of the very document beats how a name is spelt
        named = _BETTER_BY_NUMBER[named]
    elif number is _R.NUMBER_DIFFERS and named is not SubjectMatch.MISMATCH:
        named = SubjectMatch.POSSIBLE  # a renewed passport, or somebody else's
    found = max(born, named, key=_ORDER.index)
    return found, (*([number] if number else []), *about_birth, *about_name)


_ORDER: Final = (
    SubjectMatch.EXACT,
    SubjectMatch.COMPATIBLE,
    SubjectMatch.POSSIBLE,
    SubjectMatch.MISMATCH,
)
_BETTER_BY_NUMBER: Final = {
    SubjectMatch.EXACT: SubjectMatch.EXACT,
    SubjectMatch.COMPATIBLE: SubjectMatch.COMPATIBLE,
    SubjectMatch.POSSIBLE: SubjectMatch.COMPATIBLE,
    SubjectMatch.MISMATCH: SubjectMatch.POSSIBLE,
}


def _birth(presented: str, reported: str) -> Match:
    """By the parts that both know: a year, a month of it, a day."""
    one, other = _known(presented), _known(reported)
    if not one or not other:
        return SubjectMatch.POSSIBLE, (_R.BIRTH_DATE_UNKNOWN,)
    common = min(len(one), len(other))
    if one[:common] != other[:common]:
        # a zone has two digits for the year, so a centenarian's reads a century too young
        century = one[0] - other[0] == _CENTURY and one[1:common] == other[1:common]
        found = SubjectMatch.POSSIBLE if century else SubjectMatch.MISMATCH
        return found, (_R.BIRTH_DATE_DIFFERS,)
    if common < len(_FULL):
        return SubjectMatch.COMPATIBLE, (_R.BIRTH_DATE_PARTIAL,)
    return SubjectMatch.EXACT, ()


_FULL: Final = ("year", "month", "day")


def _known(born: str) -> tuple[int, ...]:
    found = _BORN.match(born)
    parts: list[int] = []
    for part in found.groups() if found else ():
        if part is None or int(part) == 0:  # 00 stands for a part that is not known
            break
        parts.append(int(part))
    return tuple(parts)


def _number(presented: str, holder: Holder) -> MatchReason | None:
    mine = _bare(presented)
    passport, other = _bare(holder.passport), _bare(holder.other_number)
    if mine and mine in (passport, other):
        return _R.NUMBER_AGREES
    return _R.NUMBER_DIFFERS if mine and passport else None


def _bare(number: str) -> str:
    return "".join(
        one for one in unicodedata.normalize("NFKC", number[:_MOST]).upper() if one.isalnum()
    )


def _name(subject: Subject, holder: Holder) -> Match:
    native = _han(subject.native)
    said = (holder.family + holder.given, holder.given + holder.family, holder.whole)
    if native and native in map(_han, said):
        return SubjectMatch.EXACT, ()
    primary, secondary = (
        transliteration.words(subject.primary),
        transliteration.words(subject.secondary),
    )
    spellings = [
        (family, given)
        for family, given in (
            (
                transliteration.words(holder.family_latin),
                transliteration.words(holder.given_latin),
            ),
            (transliteration.words(holder.family), transliteration.words(holder.given)),
        )
        if family is not None and given is not None and (family or given)
    ]
    whole = transliteration.words(holder.whole)
    if primary is None or secondary is None or not (primary or secondary):
        return SubjectMatch.POSSIBLE, (_R.NAME_IN_OTHER_SCRIPT,)
    cut = subject.name_cut
    found = [_parts(primary, secondary, *one, cut=cut) for one in spellings]
    if whole:
        found.append(_whole(primary, secondary, whole, cut=cut))
    if not found:
        return SubjectMatch.POSSIBLE, (_R.NAME_IN_OTHER_SCRIPT,)
    return min(found, key=lambda one: _ORDER.index(one[0]))


def _han(name: str) -> str:
    return _DOTS.sub("", unicodedata.normalize("NFC", name[:_MOST])).upper()


def _parts(
    primary: Sequence[Word],
    secondary: Sequence[Word],
    family: Sequence[Word],
    given_names: Sequence[Word],
    *,
    cut: bool,
) -> Match:
    straight = _pair((primary, family), (secondary, given_names), cut=cut)
    swapped = _pair((secondary, family), (primary, given_names), cut=cut)
    if swapped[0] in _ORDER[:2] and _ORDER.index(swapped[0]) < _ORDER.index(straight[0]):
        return SubjectMatch.COMPATIBLE, (_R.NAMES_SWAPPED, *swapped[1])
    return straight


Two = tuple[Sequence[Word], Sequence[Word]]


def _pair(first: Two, second: Two, *, cut: bool) -> Match:
    """Both parts of a name; one that either side lacks altogether is left out."""
    last = second if second[0] else first
    each = [_words(*two, cut=cut and two is last) for two in (first, second) if all(two)]
    if not each:
        return SubjectMatch.MISMATCH, (_R.NAME_DIFFERS,)
    lacking = [other for one, other in (first, second) if bool(one) != bool(other)]
    worst = max((one[0] for one in each), key=_ORDER.index)
    reasons = dict.fromkeys(reason for one in each for reason in one[1])
    if lacking:
        # a credential of half a name is the sister's as well
        least = SubjectMatch.COMPATIBLE if all(lacking) else SubjectMatch.POSSIBLE
        worst = max(worst, least, key=_ORDER.index)
        reasons[_R.NAME_PARTS_LEFT_OUT] = None
    return worst, tuple(reasons)


def _whole(
    primary: Sequence[Word], secondary: Sequence[Word], full_name: Sequence[Word], *, cut: bool
) -> Match:
    """A name whose parts are not told apart, in either order."""
    orders = ((*primary, *secondary), (*secondary, *primary))
    found = [_words(order, full_name, cut=cut) for order in orders]
    best = min(found, key=lambda one: _ORDER.index(one[0]))
    shared = all(
        any(word & other for word in part for other in full_name)
        for part in (primary, secondary)
        if part
    )
    if best[0] is SubjectMatch.COMPATIBLE and not cut and not shared:
        return SubjectMatch.POSSIBLE, best[1]
    return best


def _words(presented: Sequence[Word], reported: Sequence[Word], *, cut: bool) -> Match:
    """One part of a name, word by word."""
    if len(presented) == len(reported) and all(
        one & other for one, other in zip(presented, reported, strict=True)
    ):
        return SubjectMatch.EXACT, ()
    if (
        _joined(presented) & _joined(reported)
        or _within(presented, reported)
        or _within(reported, presented)
    ):
        return SubjectMatch.COMPATIBLE, (_R.NAME_PARTS_LEFT_OUT,)
    if cut and _begins(presented, reported):
        return SubjectMatch.COMPATIBLE, (_R.NAME_CUT_SHORT,)
    if _near(presented, reported):
        return SubjectMatch.POSSIBLE, (_R.NAME_SPELT_OTHERWISE,)
    return SubjectMatch.MISMATCH, (_R.NAME_DIFFERS,)


def _joined(words: Sequence[Word]) -> Word:
    """The words written as one, as some issuers and some zones do."""
    chosen = islice(product(*map(sorted, words)), transliteration.MOST_SPELLINGS)
    return frozenset(map("".join, chosen)) - {""}


def _within(few: Sequence[Word], many: Sequence[Word]) -> bool:
    """Whether all words of one appear in the other in the same order."""
    rest = iter(many)
    return all(any(word & other for other in rest) for word in few)


def _begins(presented: Sequence[Word], reported: Sequence[Word]) -> bool:
    """Whether a zone that is full breaks off within what the credential says."""
    if len(presented) > len(reported):
        return False
    *whole, last = presented
    return all(one & other for one, other in zip(whole, reported, strict=False)) and any(
        other.startswith(one) for one in last for other in reported[len(whole)]
    )


def _near(presented: Sequence[Word], reported: Sequence[Word]) -> bool:
    """Whether the words differ by one letter in one of them, or by romanisation."""
    heard, told = [_sounds(word) for word in presented], [_sounds(word) for word in reported]
    if _within(heard, told) or _within(told, heard):
        return True
    few, many = sorted((presented, reported), key=len)
    unlike = [word for word in few if not any(word & other for other in many)]
    return len(unlike) == 1 and any(
        _one_letter(one, other) for one in unlike[0] for word in many for other in word
    )


def _sounds(word: Word) -> Word:
    return frozenset(map(_folded, word))


def _folded(spelling: str) -> str:
    for written, sound in _SOUNDS:
        spelling = spelling.replace(written, sound)
    return _REPEATED.sub(r"\1", spelling)


def _one_letter(one: str, other: str) -> bool:
    """Whether one letter more, less or other makes them equal."""
    if min(len(one), len(other)) < _SHORTEST_TYPO or abs(len(one) - len(other)) > 1:
        return False
    place = next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
    return (
        one[place + 1 :] == other[place + 1 :]
        or one[place:] == other[place + 1 :]
        or one[place + 1 :] == other[place:]
    )
