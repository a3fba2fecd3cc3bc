"""Online providers: every value is mapped, every fault is not known, nobody waits."""

import asyncio
import datetime as dt
import json
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from _code_providers import STYLES, Fault
from credential_providers import FORM, OTHER, PROFILES, TRAVELLER, asked, code, file
from timing import at_once

from twinstile.credentials.providers import answers, masks, profiles, questions, settings
from twinstile.credentials.providers.answers import AnswerUnusable
from twinstile.credentials.providers.online import AT_ONCE, WITHIN_S, Online
from twinstile.credentials.providers.profiles import Recipe, Signing
from twinstile.credentials.providers.questions import SecretUnusable
from twinstile.credentials.providers.settings import ProviderSettings
from twinstile.credentials.types import (
    Colour,
    Context,
    CredentialOutcome,
    CredentialStatus,
    Scheme,
    Subject,
    SubjectMatch,
)
from twinstile.platform.http.circuit_breaker import IN_A_ROW, BreakerState
from twinstile.platform.ops import clock
from twinstile.platform.ops.config_files import InvalidFile

NOW = dt.datetime(2026, 11, 28, 8, tzinfo=dt.UTC)
CONTEXT = Context(NOW, TRAVELLER)
VALUES = [*range(10), *map(str, range(10)), "", None, "init", "00", "01", "02", "10", "green"]
VALUES += ["GREEN", "yellow", "red", "绿", True, 0.0, 1.0, [], {}, ["00"], "00 ", "0" * 5000]
MAPPED = {
    "cn-gbt38963": {"00": "GREEN", "01": "YELLOW", "10": "RED"},
    "cn-province-gate": {"00": "GREEN", "01": "YELLOW", "10": "RED"},
    "alipay-gov": {"green": "GREEN", "yellow": "YELLOW", "red": "RED", "init": "UNDER_REVIEW"},
    "generic-rest": {"green": "GREEN", "yellow": "YELLOW", "red": "RED"},
}


def test_every_profile_that_comes_with_the_service_is_tested_and_played() -> None:
    shipped = {path.stem for path in profiles.PACKS.glob("*.toml")}
    assert shipped == set(PROFILES) == set(MAPPED) == set(STYLES)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_value_is_what_the_map_says_or_not_known(profile: str) -> None:
    pack = profiles.load(profile)
    for value in VALUES:
        said = STYLES[profile].render(code(profile, value), NOW)[1].encode()
        wanted = MAPPED[profile].get(value) if isinstance(value, str) else None
        if wanted is None:
            with pytest.raises(AnswerUnusable, match="value-unknown"):
                answers.read(pack, said, CONTEXT)
            continue
        told = answers.read(pack, said, CONTEXT)
        assert told.status == wanted
        colour = answers.assessment(told, NOW).colour
        assert (colour is Colour.GREEN) == (wanted == "GREEN")


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_green_code_of_the_person_at_the_lane_is_green(
    profile: str, tmp_path: Path
) -> None:
    async with asked(tmp_path, profile, {"CODE 张=&+{app_id}": code(profile)}) as (it, there):
        found = await it.verify("CODE 张=&+{app_id}", Context(clock.now(), TRAVELLER))
    assert (there.asked, there.refused) == (1, 0)
    assert (found.outcome, found.colour) == (CredentialOutcome.VERIFIED, Colour.GREEN)
    assert found.status is CredentialStatus.GREEN


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_green_code_of_somebody_else_is_red(profile: str, tmp_path: Path) -> None:
    async with asked(tmp_path, profile, {"CODE": code(profile)}) as (it, _):
        found = await it.verify("CODE", Context(clock.now(), OTHER))
        unread = await it.verify("CODE", Context(clock.now()))
    assert (found.outcome, found.colour) == (CredentialOutcome.SUBJECT_MISMATCH, Colour.RED)
    assert found.status is CredentialStatus.INVALID
    assert (unread.outcome, unread.colour) == (
        CredentialOutcome.SUBJECT_UNCONFIRMED,
        Colour.UNKNOWN,
    )
    assert unread.status is CredentialStatus.UNDER_REVIEW


LATE = {Fault.SLOW, Fault.DRIP, Fault.BLACK_HOLE}
TOLD = {
    ("cn-province-gate", Fault.EXPIRED): CredentialStatus.EXPIRED,
    ("alipay-gov", Fault.EXPIRED): CredentialStatus.STALE,
    ("generic-rest", Fault.EXPIRED): CredentialStatus.STALE,
    ("alipay-gov", Fault.CLOCK_SKEW): CredentialStatus.STALE,
    ("generic-rest", Fault.CLOCK_SKEW): CredentialStatus.STALE,
}
UNTOLD = {  # answers that hold no time
    ("cn-gbt38963", Fault.EXPIRED),
    ("cn-gbt38963", Fault.CLOCK_SKEW),
    ("cn-province-gate", Fault.CLOCK_SKEW),
}


@pytest.mark.parametrize("profile", PROFILES)
async def test_no_fault_makes_a_code_green_and_none_keeps_anybody_waiting(
    profile: str, tmp_path: Path
) -> None:
    faults = [fault for fault in Fault if (profile, fault) not in UNTOLD]
    codes = {fault.value: code(profile, fault=fault) for fault in faults}
    async with asked(tmp_path, profile, codes) as (it, there):
        begun = time.monotonic()
        said = await asyncio.gather(
            *(it.verify(fault.value, Context(clock.now(), TRAVELLER)) for fault in faults[:8])
        )
        assert time.monotonic() - begun < WITHIN_S + 2
        said += [
            await it.verify(fault.value, Context(clock.now(), TRAVELLER))
            for fault in faults[8:]
        ]
    assert there.refused == 0
    for fault, found in zip(faults, said, strict=True):
        told = TOLD.get((profile, fault))
        late = (
            CredentialOutcome.PROVIDER_TIMEOUT
            if fault in LATE
            else CredentialOutcome.PROVIDER_UNAVAILABLE
        )
        assert found.outcome is (CredentialOutcome.PROVIDER_ANSWERED if told else late), fault
        assert found.status is (told or CredentialStatus.UNAVAILABLE), fault
        assert found.colour is (Colour.YELLOW if told else Colour.UNKNOWN), fault


async def test_a_code_nobody_knows_is_not_found_and_not_green(tmp_path: Path) -> None:
    async with asked(tmp_path, "generic-rest", {}) as (it, _):
        found = await it.verify("CODE", Context(clock.now(), TRAVELLER))
    assert (found.status, found.colour) == (CredentialStatus.NOT_FOUND, Colour.UNKNOWN)


async def test_codes_of_another_kind_do_not_cut_off_a_provider(tmp_path: Path) -> None:
    async with asked(tmp_path, "cn-province-gate", {"CODE": code("cn-province-gate")}) as (
        it,
        there,
    ):
        for _ in range(2 * IN_A_ROW):
            found = await it.verify("a payment code", Context(clock.now(), TRAVELLER))
            assert found.outcome is CredentialOutcome.PROVIDER_UNAVAILABLE
        found = await it.verify("CODE", Context(clock.now(), TRAVELLER))
    assert found.outcome is CredentialOutcome.VERIFIED
    assert there.asked == 2 * IN_A_ROW + 1


async def test_a_provider_that_is_down_is_not_asked_and_tried_later(tmp_path: Path) -> None:
    codes = {"X": code("generic-rest", fault=Fault.FAILED), "CODE": code("generic-rest")}
    async with asked(tmp_path, "generic-rest", codes) as (it, there):
        for _ in range(IN_A_ROW + 5):
            await it.verify("X", CONTEXT)
        assert there.asked == IN_A_ROW
        assert it.health(NOW).breaker == BreakerState.OPEN
        it.now = lambda: clock.now() + dt.timedelta(seconds=37)
        found = await it.verify("CODE", Context(clock.now(), TRAVELLER))
    assert found.outcome is CredentialOutcome.VERIFIED
    assert it.health(NOW).breaker == BreakerState.CLOSED


async def test_a_black_hole_takes_few_places_and_refuses_the_rest_at_once(
    tmp_path: Path,
) -> None:
    codes = {"X": code("generic-rest", fault=Fault.BLACK_HOLE)}
    async with asked(tmp_path, "generic-rest", codes) as (it, there):
        waiting = [asyncio.create_task(it.verify("X", CONTEXT)) for _ in range(AT_ONCE)]
        while there.asked < AT_ONCE:  # noqa: ASYNC110 # only the provider knows
            await asyncio.sleep(0.01)
        refused = await at_once(it.verify("X", CONTEXT))
        assert refused.outcome is CredentialOutcome.PROVIDER_UNAVAILABLE
        await asyncio.gather(*waiting)
    assert there.asked == AT_ONCE


SIGNATURES = {  # openssl dgst: -hmac over `b=2&c=&d=张`, the others over that, `&k=`, secret
    Recipe.HMAC_SHA256: "f4dea9a280dec99961be51395645406eac007f898b97142798b000d6f226d770",
    Recipe.HMAC_SM3: "47377e27b16527cf0a7039603350a105a2df48e353ad705d56d790346e0e73aa",
    Recipe.SHA256_CONCAT: "04f39e061728c51da139d444eee304e1da9bd3ed936abf43c13030b7d53eee6b",
    Recipe.MD5_CONCAT: "d80b2291092cb0826e1b1eb9534d10d4",
}


@pytest.mark.parametrize("recipe", SIGNATURES)
def test_signatures_are_those_of_another_program(recipe: Recipe) -> None:
    signing = Signing(recipe=recipe, joined_as="k")
    sign = questions.signer(signing, b"0123456789abcdef")
    assert sign({"d": "张", "b": "2", "c": ""}) == SIGNATURES[recipe]


@pytest.mark.parametrize("secret", [b"", b"short", b"no key in PEM at all"])
def test_a_secret_that_cannot_sign_is_refused_at_the_start(secret: bytes) -> None:
    with pytest.raises(SecretUnusable):
        questions.signer(Signing(recipe=Recipe.RSA_SHA256), secret)


S, N, E, C, P, M, U = (
    TRAVELLER,
    Subject(),
    SubjectMatch.EXACT,
    SubjectMatch.COMPATIBLE,
    SubjectMatch.POSSIBLE,
    SubjectMatch.MISMATCH,
    SubjectMatch.NOT_CHECKED,
)


@pytest.mark.parametrize(
    ("subject", "name", "number", "wanted"),
    [
        (S, "张三丰", "610102199003071234", E),
        (S, "张*", "6101**********1234", C),
        (S, "*三丰", "610102********1234", C),
        (S, "张\uff0a\uff0a", "", P),
        (S, "张三丰", "", C),
        (S, "", "610102199003071234", C),
        (S, "李*", "6101**********1234", M),
        (S, "张*", "6101**********1235", M),
        (S, "张*", "6101*********1234", M),
        (S, "张*", "***************234", P),
        (S, "***", "******************", U),
        (S, "", "", U),
        (S, "张*三*丰*", "", U),
        (N, "张三丰", "610102199003071234", U),
        (None, "张三丰", "610102199003071234", U),
        (Subject(native="阿依·古丽"), "阿依.古丽", "", C),
        (Subject(number="61010219900307123X"), "", "6101**********123x", C),
    ],
)
def test_whose_code_it_is_is_told_by_what_stars_leave(
    subject: Subject | None, name: str, number: str, wanted: SubjectMatch
) -> None:
    assert masks.match(subject, name, number)[0] is wanted


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"[" * 20_000,
        b'{"ok":' + b"9" * 5000 + b"}",
        b"\xff\xfe",
        b'{"ok":true,"status":"green","refreshed_at":"yesterday"}',
        b'{"ok":true,"status":"green","refreshed_at":"2026-11-28T08:00:00"}',
        b'{"ok":true,"status":"green","refreshed_at":1e9}',
        b'{"ok":true,"status":"green","valid_until":[]}',
        b'{"ok":1,"status":"green"}',
    ],
)
def test_an_answer_out_of_shape_says_nothing(body: bytes) -> None:
    with pytest.raises(AnswerUnusable):
        answers.read(profiles.load("generic-rest"), body, CONTEXT)


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [(-301, "STALE"), (-300, "GREEN"), (0, "GREEN"), (60, "GREEN"), (61, "STALE")],
)
def test_a_screenshot_is_told_by_its_age(seconds: int, wanted: str) -> None:
    at = NOW - dt.timedelta(seconds=seconds)
    body = json.dumps({"ok": True, "status": "green", "refreshed_at": at.isoformat()}).encode()
    assert answers.read(profiles.load("generic-rest"), body, CONTEXT).status == wanted


def test_red_stays_red_however_old() -> None:
    body = b'{"ok":true,"status":"red","refreshed_at":"2020-01-01T00:00:00Z"}'
    assert answers.read(profiles.load("generic-rest"), body, CONTEXT).status == "RED"


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("no-such", "No such file"),
        ("../packs/generic-rest", "No such file"),
        ("/dev/null", "not a file"),
    ],
)
def test_a_profile_that_cannot_be_used_says_where(name: str, fault: str) -> None:
    with pytest.raises(InvalidFile, match=fault):
        profiles.load(name)


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"profile": "none"}, "No such file"),
        ({"url": "http://user:secret@host/"}, "no credentials"),
        ({"colour": "green"}, "colour"),
    ],
)
def test_a_providers_file_that_cannot_be_used_says_where_and_tells_no_secret(
    changed: dict[str, str], fault: str, tmp_path: Path
) -> None:
    usual = {"profile": "generic-rest", "url": "http://127.0.0.1:1"}
    written = file(tmp_path, **usual | changed)
    with pytest.raises(InvalidFile, match=fault) as refused:
        settings.load(written)
    assert "secret@" not in str(refused.value)


def shaped(folder: Path, said: str) -> Online:
    """The provider of a file that tells its codes so."""
    written = file(folder, "generic-rest", "http://127.0.0.1:1")
    written.write_text(written.read_text().replace(FORM, said))
    (provider,) = settings.load(written)
    return provider


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("", "prefixes, or by their form"),
        ("codes = {}", "alphabet"),
        ('codes = { alphabet = "all", shortest = 1, longest = 9 }', "alphabet"),
        ('codes = { alphabet = "hex", shortest = 9, longest = 8 }', "longer than the longest"),
    ],
)
def test_a_provider_says_which_codes_are_its_own(said: str, fault: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match=fault):
        shaped(tmp_path, said)


def test_a_code_has_the_form_and_the_beginning_of_its_providers(tmp_path: Path) -> None:
    hexadecimal = 'codes = { alphabet = "hex", shortest = 16, longest = 20 }'
    plain = shaped(tmp_path, hexadecimal)
    code_of_16 = "0123456789abcdef"
    for text in (code_of_16, code_of_16 + "ABCD"):
        assert plain.detect(text) is Scheme.ONLINE
    for text in (
        "",
        code_of_16[:-1],
        code_of_16 + "00000",
        code_of_16[:-1] + "g",
        "HC1:6BFOXN%TSMAHN-HX",
    ):
        assert plain.detect(text) is None
    both = shaped(tmp_path, f'{hexadecimal}\nprefixes = ["0123"]')
    assert both.detect(code_of_16) is Scheme.ONLINE
    assert both.detect(code_of_16[::-1]) is None


def test_a_parameter_that_nobody_set_is_missed_at_the_start(tmp_path: Path) -> None:
    written = file(tmp_path, "alipay-gov", "http://127.0.0.1:1")
    written.write_text(written.read_text().replace("city_code", "town"))
    with pytest.raises(InvalidFile, match="set city_code"):
        settings.load(written)


def test_outside_nobody_is_asked_in_the_clear(tmp_path: Path) -> None:
    written = file(tmp_path, "generic-rest", "http://127.0.0.1:1")
    written.write_text(written.read_text().replace("inside = true", ""))
    with pytest.raises(InvalidFile, match="https"):
        settings.load(written)


def test_nothing_of_a_code_is_in_what_is_printed_of_a_question() -> None:
    profile = profiles.load("generic-rest")
    asked_so = questions.ask(profile, lambda _: "sig", "CANARY", {"app_id": "1"}, NOW)
    assert b"CANARY" in asked_so.body
    assert "CANARY" not in repr(asked_so)


def test_the_example_that_operators_are_shown_names_what_there_is() -> None:
    page = (Path(__file__).parents[2] / "docs" / "credentials.md").read_text("utf-8")
    example, _sources = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    for told in tomllib.loads(example)["provider"]:
        provider = ProviderSettings.model_validate(told)
        profile = profiles.load(provider.profile)
        assert questions.missing(profile, {**provider.parameters, "app_id": "x"}) == []
    assert all(f"`{name}`" in page for name in [*PROFILES, *ProviderSettings.model_fields])


def test_the_first_question_has_nothing_left_to_load(tmp_path: Path) -> None:
    """Loading takes a twentieth of a second, in which the loop answers no lane."""
    written = file(tmp_path, "generic-rest", "http://127.0.0.1:1")
    asking = f"""
import asyncio, pathlib, sys
from twinstile.credentials.providers import settings
from twinstile.credentials.types import Context
from twinstile.platform.ops import clock

(provider,) = settings.load(pathlib.Path({str(written)!r}))

async def ask():
    before = set(sys.modules)
    await provider.verify("CODE", Context(clock.now()))
    print(*sorted(set(sys.modules) - before))

asyncio.run(ask())
"""
    told = subprocess.run(
        [sys.executable, "-c", asking], capture_output=True, check=True, text=True
    )
    assert told.stdout.split() == []
