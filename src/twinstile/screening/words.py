"""Labels of states, events, verdicts, alerts and reasons in English and Chinese.

The texts are data: `labels.json` beside this module. They are short, because they stand on the
buttons of a tablet and on the ways of a flow chart.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from typing import Final, TypeVar

from twinstile.screening.types import AlertKind, ScreeningEvent, ScreeningState, Verdict

Code = TypeVar("Code", bound=StrEnum)


class Language(StrEnum):
    EN = "en"
    ZH_CN = "zh-CN"


@dataclass(frozen=True, slots=True)
class Phrase:
    en: str
    zh_cn: str

    def in_language(self, language: Language) -> str:
        """The phrase in one of the two languages."""
        return self.en if language is Language.EN else self.zh_cn


_TEXTS: Final[Mapping[str, Mapping[str, Mapping[str, str]]]] = json.loads(
    (resources.files("twinstile.screening") / "labels.json").read_text("utf-8")
)


def _phrase(part: str, code: str) -> Phrase:
    texts = _TEXTS[part][code]
    return Phrase(texts["en"], texts["zh-CN"])


def _phrases(part: str, codes: type[Code]) -> Mapping[Code, Phrase]:
    return {code: _phrase(part, code) for code in codes}


STATES: Final = _phrases("state", ScreeningState)
EVENTS: Final = _phrases("event", ScreeningEvent)
VERDICTS: Final = _phrases("verdict", Verdict)
ALERTS: Final = _phrases("alert", AlertKind)
BEYOND_POLICY: Final = {code: _phrase("reason", code) for code in _TEXTS["reason"]}
"""Reasons that no policy gives, by their code."""


def phrase_in_language(phrase: Phrase, accepted: str) -> str:
    """The phrase in the first language of an Accept-Language that there is, else in English."""
    for wanted in accepted.lower().split(","):
        for language in Language:
            if wanted.strip().startswith(language.value[:2]):
                return phrase.in_language(language)
    return phrase.en
