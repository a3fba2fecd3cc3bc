"""Whether a name and a number with stars in them are those of the person at the lane.

Providers that tell whose code it is tell it desensitised: `张*`, `6101**********1234`.
"""

import re
import unicodedata
from typing import Final

from twinstile.credentials.types import MatchReason, Subject, SubjectMatch

LEAST_SHOWN: Final = 4
"""Characters of a number; fewer fit too many people."""
MOST_RUNS: Final = 2
"""Of stars in a name: more would leave nothing to compare, and much to try."""
_DROPPED: Final = re.compile(r"[\s·•・.‧]+")
"""Between the parts of a name; the dots of names of minorities are written in many ways."""
_RUNS: Final = re.compile(r"\*+|[^*]+")


def match(
    subject: Subject | None, name: str, number: str
) -> tuple[SubjectMatch, tuple[MatchReason, ...]]:
    """A number decides; a name alone only if it is whole, with stars it wants a human eye."""
    if subject is None:
        return SubjectMatch.NOT_CHECKED, ()
    number, name = _plain(number), _plain(name)
    numbers = _number_fits(_plain(subject.number), number)
    names = _name_fits(_plain(subject.native), name)
    if numbers is False or names is False:
        by_number = numbers is False
        differs = MatchReason.NUMBER_DIFFERS if by_number else MatchReason.NAME_DIFFERS
        return SubjectMatch.MISMATCH, (differs,)
    if numbers and len(number.replace("*", "")) >= LEAST_SHOWN:
        whole = names and "*" not in number
        exact = SubjectMatch.EXACT if whole else SubjectMatch.COMPATIBLE
        return exact, (MatchReason.NUMBER_AGREES,)
    if names and "*" not in name:
        return SubjectMatch.COMPATIBLE, ()
    if names or numbers:
        return SubjectMatch.POSSIBLE, (MatchReason.NAME_PARTS_LEFT_OUT,)
    return SubjectMatch.NOT_CHECKED, ()


def _number_fits(number: str, masked: str) -> bool | None:
    """A star for each character. None: one of them is not known, or nothing is shown."""
    if not number or not masked.strip("*"):
        return None
    return len(number) == len(masked) and all(
        told in {"*", held} for held, told in zip(number, masked, strict=True)
    )


def _name_fits(name: str, masked: str) -> bool | None:
    """Stars for any number of characters: some write one for a whole given name."""
    runs = _RUNS.findall(masked)
    stars = sum(run[0] == "*" for run in runs)
    if not name or not masked.strip("*") or stars > MOST_RUNS:
        return None
    pattern = "".join(".+" if run[0] == "*" else re.escape(run) for run in runs)
    return re.fullmatch(pattern, name) is not None


def _plain(text: str) -> str:
    return _DROPPED.sub("", unicodedata.normalize("NFKC", text)).upper()
