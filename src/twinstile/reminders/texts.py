"""The catalogue of reminders: what travellers are told, in every language there is.

Plain words, and nothing about anybody's health. What is put into a text is cut short and put
on one line, so that nobody can write a message of their own with the name of a train.
"""

# ruff: noqa: RUF001 # Chinese punctuation

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from twinstile.screening.types import NoticeKind, ReminderKind
from twinstile.screening.words import Language, Phrase

LONGEST_PART: Final = 40
"""Characters of a name or a number in a text."""
TEXTS: Final[Mapping[NoticeKind | ReminderKind, Phrase]] = {
    NoticeKind.R1: Phrase(
        "{hub}: your train or flight {service} is due on {day} at {time}. Please have your"
        " document and your health credential at hand when you arrive. If you have no phone or"
        " need help, our staff assist you free of charge.",
        "{hub}温馨提示：您乘坐的{service}预计{day} {time}到达。到达时请备好身份证件和健康凭证。"
        "没有手机或需要帮助的旅客，可请现场工作人员免费协助。",
    ),
    NoticeKind.R1_AGAIN: Phrase(
        "{hub}: your train or flight {service} arrives soon, at {time}. Please have your"
        " document and your health credential at hand now. Our staff assist you free of"
        " charge.",
        "{hub}温馨提示：您乘坐的{service}即将于{time}到达，请提前备好身份证件和健康凭证。"
        "如需帮助，可请现场工作人员免费协助。",
    ),
    ReminderKind.R2: Phrase(
        "Welcome to {hub}. Please have your document and your health credential at hand and go"
        " to the next free lane. Our staff assist you free of charge.",
        "欢迎来到{hub}。请备好身份证件和健康凭证，前往空闲通道。如需帮助，"
        "可请现场工作人员免费协助。",
    ),
}


ON_BOARD: Final = Phrase(
    "On board {service}: passengers to {hub}, we are due on {day} at {time}. Please have your"
    " document and your health credential at hand when you arrive. Staff there assist you free"
    " of charge.",
    "{service}车内广播：前往{hub}的旅客请注意，本班次预计{day} {time}到达。"
    "到达时请备好身份证件和健康凭证。如需帮助，可请现场工作人员免费协助。",
)
"""What is announced to all on a run."""
FEW: Final = 5
"""Fewer people than that are not told by number: they might be known by their language."""


def chosen(known_languages: Sequence[str], hub: Language) -> tuple[Language, ...]:
    """The languages to write to somebody in: one they are known to read, else two.

    Nothing is guessed, least of all from a nationality.
    """
    for tag in known_languages:
        for language in Language:
            if tag.lower().split("-")[0] == language.split("-")[0]:
                return (language,)
    return tuple(dict.fromkeys((hub, Language.EN)))


@dataclass(frozen=True, slots=True)
class TextContext:
    """What a text speaks of; `due` by the hub's clock."""

    hub: str
    service_no: str = ""
    due: datetime | None = None


def written(
    kind: NoticeKind | ReminderKind, languages: Sequence[Language], context: TextContext
) -> str:
    """The text in these languages, one below the other."""
    return _filled(TEXTS[kind], languages, context)


def announced(languages: Sequence[Language], context: TextContext) -> str:
    """What to announce on board, in these languages."""
    return _filled(ON_BOARD, languages, context)


def counted(known_languages: Iterable[Sequence[str]], hub: Language) -> dict[str, int]:
    """How many are spoken to in which languages, without those who are few."""
    counts = Counter(",".join(chosen(languages, hub)) for languages in known_languages)
    return {languages: n for languages, n in sorted(counts.items()) if n >= FEW}


def _filled(phrase: Phrase, languages: Sequence[Language], context: TextContext) -> str:
    parts = {
        "hub": _short(context.hub),
        "service": _short(context.service_no),
        "day": f"{context.due:%Y-%m-%d}" if context.due else "",
        "time": f"{context.due:%H:%M}" if context.due else "",
    }
    said = (phrase.in_language(language).format_map(parts) for language in languages)
    return "\n".join(said)


def _short(name: str) -> str:
    line = " ".join(name.split())
    return line if len(line) <= LONGEST_PART else f"{line[: LONGEST_PART - 1]}…"
