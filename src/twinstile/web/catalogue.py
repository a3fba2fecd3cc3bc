"""The words of all pages: one catalogue for the server and for the browser.

A locale is a file `words/<locale>.json`: texts by key, sorted; a text that depends on a number
has one form for each plural category of the locale (Unicode CLDR, LDML part 3). `words.js` says
them by the same rules with `Intl`. What the rooms have words for already is taken from them.

A pseudo-locale is made of the English texts and stored nowhere: written from right to left,
longer, with all six plural categories of Arabic, so that a page shows what it would do.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import Final, TypeAlias

from babel import Locale
from babel.numbers import format_decimal

from twinstile.screening import words
from twinstile.screening.words import Language

Text: TypeAlias = str | Mapping[str, str]
"""A text, or its forms by plural category."""

DEFAULT: Final = Language.EN.value
PSEUDO: Final = "ar-XB"
"""The name that Unicode CLDR gives a pseudo-locale from right to left."""
COUNT: Final = "n"
"""The value that chooses the plural form."""

_FOLDER: Final = files("twinstile.web") / "words"
_PLACE: Final = re.compile(r"\{([a-z_]+)\}")
_ACCENTED: Final = str.maketrans("aceilnorsuyzACEILNORSUYZ", "áçéíłñóŕšúýžÁÇÉÍŁÑÓŔŠÚÝŽ")
_ISOLATED: Final = "\u2068{}\u2069"
"""First strong isolate: a train's number keeps its order inside a text from right to left."""


@dataclass(frozen=True)
class LocaleTexts:
    """The texts of one locale."""

    locale: str
    texts: Mapping[str, Text]

    @cached_property
    def _rules(self) -> Locale:
        return Locale.parse("ar" if self.locale == PSEUDO else self.locale, sep="-")

    @property
    def direction(self) -> str:
        """`ltr` or `rtl`, for the attribute `dir`."""
        return self._rules.text_direction

    @property
    def name(self) -> str:
        """What the language is called by those who speak it."""
        said = self.texts["shell.language"]
        return said if isinstance(said, str) else said["other"]

    def say(self, key: str, **values: object) -> str:
        """The text of the key with the values in it; `n` chooses the plural form.

        It is plain text: a template escapes it. Raises `KeyError` for what is not there.
        """
        text = self.texts[key]
        if not isinstance(text, str):
            number = values[COUNT]
            assert isinstance(number, int)  # noqa: S101 # people, minutes: always whole
            text = text[self._rules.plural_form(number)]
        return _PLACE.sub(lambda place: self._put(values[place[1]]), text)

    def first(self, *keys: str) -> str:
        """The text of the first of these keys that there is."""
        return self.say(next(key for key in keys if key in self.texts))

    def _put(self, value: object) -> str:
        said = (
            format_decimal(value, locale=self._rules) if isinstance(value, int) else str(value)
        )
        return _ISOLATED.format(said) if self.direction == "rtl" else said

    @cached_property
    def file(self) -> bytes:
        """What the browser gets: the texts, and the locale they are of."""
        whole = {"locale": self.locale, "texts": self.texts}
        return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()

    @cached_property
    def file_name(self) -> str:
        """Its name, another one for each content."""
        return f"{self.locale}.{hashlib.sha256(self.file).hexdigest()[:16]}.json"


@cache
def locales() -> tuple[str, ...]:
    """The locales there are words for, English first."""
    found = {file.name.removesuffix(".json") for file in _FOLDER.iterdir()}
    return (DEFAULT, *sorted(found - {DEFAULT}))


@cache
def words_of(locale: str) -> LocaleTexts:
    """The words of a locale of `locales()`, or of the pseudo-locale."""
    if locale == PSEUDO:
        return LocaleTexts(
            PSEUDO, {key: _pseudo(text) for key, text in words_of(DEFAULT).texts.items()}
        )
    own = json.loads((_FOLDER / f"{locale}.json").read_bytes())
    rooms = dict(_of_rooms(locale))
    return LocaleTexts(locale, dict(sorted({**rooms, **own}.items())))


def _of_rooms(locale: str) -> Iterator[tuple[str, str]]:
    """What rooms have words for; a further locale has these keys in its file."""
    if locale not in list(Language):
        return
    for part, phrases in (("verdict", words.VERDICTS), ("state", words.STATES)):
        for key, phrase in phrases.items():
            yield f"{part}.{key}", phrase.in_language(Language(locale))


def _pseudo(text: Text) -> Text:
    if isinstance(text, str):
        return _stretched(text)
    arabic = Locale("ar").plural_form.tags | {"other"}
    return {category: f"{category}: {_stretched(text['other'])}" for category in sorted(arabic)}


def _stretched(text: str) -> str:
    parts = re.split(r"(\{[a-z_]+\})", text)
    said = "".join(p if p.startswith("{") else p.translate(_ACCENTED) for p in parts)
    return f"[{said}{' ~' * (len(text) // 5)}]"


def known_locale(locale: str | None) -> str | None:
    """The locale as it is written here, if there are words for it, whatever its case."""
    wanted = (locale or "").lower()
    return next((one for one in (*locales(), PSEUDO) if one.lower() == wanted), None)


def negotiated(accepted: str, otherwise: str) -> str:
    """The locale an Accept-Language asks for (RFC 9110, 12.5.4), else that other one.

    `zh`, `zh-TW` and `zh-CN` all get zh-CN: text somebody half reads beats text they do not.
    """
    for wanted in _by_quality(accepted[:200]):
        for locale in locales():
            if wanted == "*" or wanted.split("-")[0] == locale.lower().split("-")[0]:
                return locale
    return otherwise


def _by_quality(accepted: str) -> list[str]:
    ranges: list[tuple[float, str]] = []
    for part in accepted.lower().split(","):
        tag, _, parameter = part.partition(";")
        quality = parameter.strip().removeprefix("q=")
        weight = float(quality) if re.fullmatch(r"[01](\.[0-9]{1,3})?", quality) else 1.0
        if tag.strip() and weight > 0:
            ranges.append((-weight, tag.strip()))
    return [tag for _, tag in sorted(ranges, key=lambda one: one[0])]
