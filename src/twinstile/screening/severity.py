"""Words that compare by how cautious they are."""

from enum import StrEnum

from typing_extensions import override


class Cautious(StrEnum):
    """Words declared from the least to the most cautious one, and compared in that order.

    A plain StrEnum compares by alphabet, where HOLD comes before PASS. Comparing with a word of
    another kind raises ValueError.
    """

    def __init__(self, _: str) -> None:
        self.caution: int = len(type(self).__members__)
        """How many words there are before this one."""

    @override
    def __lt__(self, other: str) -> bool:
        return self.caution < type(self)(other).caution

    @override
    def __le__(self, other: str) -> bool:
        return self.caution <= type(self)(other).caution

    @override
    def __gt__(self, other: str) -> bool:
        return self.caution > type(self)(other).caution

    @override
    def __ge__(self, other: str) -> bool:
        return self.caution >= type(self)(other).caution
