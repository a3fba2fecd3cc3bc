"""The words of the pages: every locale has all of them, and server and browser say the same."""

import json
import re
from pathlib import Path

import pytest
from babel import Locale
from hubs import Service
from playwright.async_api import Page

from twinstile.credentials.types import CredentialStatus
from twinstile.platform.http import problem_handlers
from twinstile.screening.claim_words import SampleKind
from twinstile.screening.types import Verdict
from twinstile.web import catalogue

PAGES = Path(catalogue.__file__).parent
EVERY = (*catalogue.locales(), catalogue.PSEUDO)
PLACE = re.compile(r"\{[^}]*\}")


def forms(text: catalogue.Text) -> list[str]:
    return [text] if isinstance(text, str) else list(text.values())


def test_there_are_chinese_and_english() -> None:
    assert catalogue.locales() == ("en", "zh-CN")


@pytest.mark.parametrize("locale", EVERY)
def test_every_locale_has_every_key_with_the_same_places(locale: str) -> None:
    english, words = catalogue.words_of("en").texts, catalogue.words_of(locale)
    assert set(words.texts) == set(english)
    for key, text in words.texts.items():
        wanted = {place for form in forms(english[key]) for place in PLACE.findall(form)}
        for form in forms(text):
            assert form.strip(), key
            assert set(PLACE.findall(form)) == wanted, (key, form)


@pytest.mark.parametrize("locale", EVERY)
def test_a_text_with_plurals_has_the_forms_of_its_language(locale: str) -> None:
    rules = Locale.parse("ar" if locale == catalogue.PSEUDO else locale, sep="-").plural_form
    for key, text in catalogue.words_of(locale).texts.items():
        if not isinstance(text, str):
            assert set(text) == rules.tags | {"other"}, key


@pytest.mark.parametrize("locale", catalogue.locales())
def test_a_file_is_sorted_and_written_one_way(locale: str) -> None:
    """So that those who add words at once do not meet at its end."""
    written = (PAGES / "words" / f"{locale}.json").read_text("utf-8")
    held = json.loads(written)
    assert list(held) == sorted(held)
    assert written == json.dumps(held, ensure_ascii=False, indent=1) + "\n"


SAID = re.compile(r"""\b(?:say|first)\(\s*["']([a-z_.]+[a-z_])["']""")
MADE = (
    "traveller.",
    "desk.",
    "install.s",
    "fault.",
    "gate.",
    "problem.",
    "shell.mode.",
    "verdict.",
    "state.",
)
"""Keys that are put together of a name."""


def test_what_pages_say_is_there_and_nothing_else() -> None:
    every = (p for p in PAGES.rglob("*") if p.suffix in {".html", ".js", ".py"})
    sources = [p for p in every if p.parent.name != "gate"]  # see the next test
    text = "\n".join(path.read_text("utf-8") for path in sources)
    keys = set(catalogue.words_of("en").texts)
    assert set(SAID.findall(text)) <= keys
    quoted = set(re.findall(r"""["']([a-z_]+(?:\.[a-z_]+)+)["']""", text))
    unsaid = {key for key in keys - quoted if not key.startswith(MADE)}
    assert not unsaid


def test_what_the_tablet_says_is_there_and_nothing_else() -> None:
    gate = "\n".join(path.read_text("utf-8") for path in (PAGES / "files" / "gate").iterdir())
    words = {key for key in catalogue.words_of("en").texts if key.startswith("gate.")}
    keys = {key.removeprefix("gate.") for key in words}
    said = re.findall(r"""\bsay\("([A-Za-z.-]+)"|data-(?:say|name)="([^"]+)\"""", gate)
    assert {one or other for one, other in said} <= keys | {"language"}
    unsaid = {key for key in keys if f'"{key}"' not in gate and not key.endswith(".action")}
    assert unsaid <= {*CredentialStatus, *Verdict, *SampleKind}


def test_every_word_for_a_fault_is_there() -> None:
    codes = {*problem_handlers._CODES.values(), *problem_handlers._OWN_CODES}
    assert {f"fault.{code}" for code in codes} <= set(catalogue.words_of("en").texts)


@pytest.mark.parametrize(
    ("accepted", "locale"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"),
        ("zh-Hant-TW", "zh-CN"),
        ("en-GB", "en"),
        ("fr-FR,fr;q=0.9,en;q=0.5", "en"),
        ("en;q=0.3, zh;q=0.9", "zh-CN"),
        ("en;q=0, zh;q=0.1", "zh-CN"),
        ("*", "en"),
        ("fr", "otherwise"),
        ("ar-XB", "otherwise"),
        ("", "otherwise"),
        (";;q=,,;q=9", "otherwise"),
        ("x" * 100_000, "otherwise"),
    ],
)
def test_the_language_is_the_first_there_are_words_for(accepted: str, locale: str) -> None:
    assert catalogue.negotiated(accepted, "otherwise") == locale


def test_a_choice_is_known_in_any_case() -> None:
    assert catalogue.known_locale("ZH-cn") == "zh-CN"
    assert catalogue.known_locale("AR-xb") == catalogue.PSEUDO
    for unknown in (None, "", "fr", "../en", "zh"):
        assert catalogue.known_locale(unknown) is None


def test_values_are_put_in_as_text_and_numbers_as_the_language_writes_them() -> None:
    english = catalogue.LocaleTexts("en", {"a": "{n} of {n}", "b": "{name}"})
    assert english.say("a", n=1100) == "1,100 of 1,100"
    assert english.say("b", name="{n} {0} <b>") == "{n} {0} <b>"
    with pytest.raises(KeyError):
        english.say("b")
    with pytest.raises(KeyError):
        english.say("c")


def test_the_pseudo_locale_is_longer_and_from_right_to_left() -> None:
    english, pseudo = catalogue.words_of("en"), catalogue.words_of(catalogue.PSEUDO)
    assert (english.direction, pseudo.direction) == ("ltr", "rtl")
    key = "shell.https"
    assert len(pseudo.say(key)) > 1.3 * len(english.say(key))
    assert pseudo.say("form.faults", n=3).startswith("few:")
    assert "\u2068G7349\u2069" in pseudo.say("enter.lane", lane="G7349")


async def test_server_and_browser_say_the_same(page: Page, service: Service) -> None:
    await page.goto(f"{service.base_url}/docs")  # a page whose policy lets scripts fetch
    for locale in EVERY:
        words = catalogue.words_of(locale)
        plural = [key for key, text in words.texts.items() if not isinstance(text, str)]
        every = (form for text in words.texts.values() for form in forms(text))
        values = {place[1:-1]: "G7349 <b>" for form in every for place in PLACE.findall(form)}
        values.pop("n", None)
        numbers = (*range(120), 999, 1000, 1100, 2025, 100_000, 1_234_567)
        said = await page.evaluate(
            """async ([url, plural, numbers, values]) => {
                const { load } = await import("/pages/words.js");
                const words = await load(url);
                const alone = Object.keys(words.texts).filter((key) => !plural.includes(key));
                return [
                    alone.map((key) => [key, words.say(key, { n: 7, ...values })]),
                    plural.map((key) => [
                        key, numbers.map((n) => words.say(key, { ...values, n })),
                    ]),
                ];
            }""",
            [f"/words/{words.file_name}", plural, numbers, values],
        )
        alone, counted = said
        assert len(alone) + len(counted) == len(words.texts)
        for key, text in alone:
            assert text == words.say(key, n=7, **values), (locale, key)
        for key, texts in counted:
            assert texts == [words.say(key, **values, n=n) for n in numbers], (locale, key)


async def test_plural_categories_are_those_of_the_browser(page: Page) -> None:
    """Of the languages that count in the most ways, and of ours."""
    tags = ["ar", "cs", "cy", "en", "fr", "ga", "he", "lt", "pl", "ru", "sl", "zh-CN"]
    numbers = [*range(250), 1000, 1001, 1_000_000]
    categories = await page.evaluate(
        """([tags, numbers]) => tags.map((tag) => {
            const rules = new Intl.PluralRules(tag);
            return numbers.map((n) => rules.select(n));
        })""",
        [tags, numbers],
    )
    for tag, found in zip(tags, categories, strict=True):
        rule = Locale.parse(tag, sep="-").plural_form
        assert found == [rule(n) for n in numbers], tag


async def test_a_catalogue_is_kept_for_good_under_its_own_name(service: Service) -> None:
    words = catalogue.words_of("zh-CN")
    answer = await service.client().get(f"/words/{words.file_name}")
    assert answer.json() == {"locale": "zh-CN", "texts": words.texts}
    assert "immutable" in answer.headers["cache-control"]
    for name in ("zh-CN.json", "zh-CN.0000000000000000.json", "en", "..%2Fen.json"):
        assert (await service.client().get(f"/words/{name}")).status_code == 404
