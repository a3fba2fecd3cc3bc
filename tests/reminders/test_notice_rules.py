"""What is pure about messages: states, pauses, texts and addresses."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstile.identity import contacts
from twinstile.identity.types import ContactKind, InvalidText
from twinstile.reminders import texts
from twinstile.reminders.texts import LONGEST_PART, TextContext
from twinstile.reminders.types import FOLLOWS, LONGEST_PAUSE, PAUSE, ChannelHealth, retry_at
from twinstile.screening.types import COUNTING, NoticeKind, NoticeState, ReminderKind
from twinstile.screening.words import Language

AT = datetime(2026, 11, 24, 8, tzinfo=UTC)


def test_what_is_known_is_not_unlearned() -> None:
    """No word leads from a message that reached somebody to one that did not, but a failure."""
    assert set(FOLLOWS) == set(NoticeState)
    for state, before in FOLLOWS.items():
        if before & COUNTING:
            assert state in COUNTING | {NoticeState.FAILED}
        assert state not in before
    assert not any(NoticeState.RECEIVED in before for before in FOLLOWS.values())
    assert NoticeState.DELIVERED not in FOLLOWS[NoticeState.FAILED]


@given(st.lists(st.booleans(), max_size=40))
def test_a_channel_is_let_alone_for_longer_and_longer_and_forgiven_at_once(
    went: list[bool],
) -> None:
    health, moment, in_a_row = ChannelHealth(), AT, 0
    for well in went:
        moment += timedelta(minutes=11)
        health = health.after(None if well else "away", moment)
        in_a_row = 0 if well else in_a_row + 1
        assert health.failures == in_a_row
        assert (health.since is None) == (in_a_row == 0)
        if in_a_row < 5:
            assert health.open_until is None
        else:
            pause = min(PAUSE * 2 ** (in_a_row - 5), LONGEST_PAUSE)
            assert health.open_until == moment + pause


def test_a_batch_is_tried_four_times() -> None:
    waits = [retry_at(tries, AT) for tries in range(1, 5)]
    minutes = [wait and (wait - AT) / timedelta(minutes=1) for wait in waits]
    assert minutes == [1, 5, 30, None]


@pytest.mark.parametrize(
    ("known", "written"),
    [
        (["en"], ("en",)),
        (["zh"], ("zh-CN",)),
        (["zh-Hant-TW"], ("zh-CN",)),
        (["fr", "EN-gb"], ("en",)),
        (["fr"], ("zh-CN", "en")),
        ([], ("zh-CN", "en")),
        (["eng"], ("zh-CN", "en")),
    ],
)
def test_a_language_is_one_that_is_known_or_both(
    known: list[str], written: tuple[str, ...]
) -> None:
    assert texts.chosen(known, Language.ZH_CN) == written


def test_at_an_english_hub_english_is_said_once() -> None:
    assert texts.chosen([], Language.EN) == (Language.EN,)


@given(st.text(max_size=200), st.text(max_size=64))
def test_a_name_cannot_become_a_message_of_its_own(hub: str, service_no: str) -> None:
    told = TextContext(hub, service_no, AT)
    for kind in (*ReminderKind, *NoticeKind):
        for language in Language:
            text = texts.written(kind, [language], told)
            bare = texts.written(kind, [language], TextContext("", "", AT))
            assert "\n" not in text
            assert len(text) <= len(bare) + 2 * LONGEST_PART


def test_every_text_is_there_in_every_language() -> None:
    for kind, phrase in texts.TEXTS.items():
        said = {phrase.in_language(language) for language in Language}
        assert len(said) == len(Language), kind
        assert all("{hub}" in text for text in said)
    assert set(texts.TEXTS) == {*ReminderKind, *NoticeKind}


@pytest.mark.parametrize(
    ("kind", "raw", "spelt"),
    [
        (ContactKind.PHONE, " +86 (139) 0000-0000 ", "+8613900000000"),
        (ContactKind.PHONE, "\uff11\uff13\uff1900000000", "13900000000"),
        (ContactKind.PHONE, "\u202a139.0000.0000\u202c", "13900000000"),
        (ContactKind.EMAIL, "Zhang.Wei+rail@example.org", "Zhang.Wei+rail@example.org"),
        (ContactKind.APP, "fcm:abcDEF-123", "fcm:abcDEF-123"),
    ],
)
def test_an_address_has_one_spelling(kind: ContactKind, raw: str, spelt: str) -> None:
    assert contacts.read(kind, raw) == spelt
    assert contacts.read(kind, spelt) == spelt


@given(st.sampled_from(ContactKind), st.text(max_size=200))
def test_whatever_is_taken_for_an_address_is_one_short_line(
    kind: ContactKind, raw: str
) -> None:
    try:
        value = contacts.read(kind, raw)
    except InvalidText:
        return
    assert 0 < len(value) <= contacts.LONGEST
    assert value.isprintable()
    assert not set(value) & set(" \t\r\n\0")
