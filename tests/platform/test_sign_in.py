"""Signing in: the lock holds against guesses that come all at once."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest
from hubs import DEVICE, PASSCODE, Hub

from twinstile.platform.http.problems import SignInRefused, TooMany
from twinstile.platform.ops import clock
from twinstile.platform.security import shifts
from twinstile.platform.security.roles import Role
from twinstile.platform.security.shifts import FAILURES_BEFORE_LOCK, LOCK


async def guess(hub: Hub, login: str, passcode: str = "wrong horse 111") -> int:
    body = {"login": login, "passcode": passcode}
    return (await hub.client(DEVICE).post("/v1/shifts", json=body)).status_code


async def test_guesses_at_once_are_verified_no_oftener_than_guesses_in_turn(hub: Hub) -> None:
    login = hub.duties[Role.MEDIC].login
    answers = Counter(await asyncio.gather(*(guess(hub, login) for _ in range(30))))
    assert answers == {401: FAILURES_BEFORE_LOCK, 429: 30 - FAILURES_BEFORE_LOCK}
    assert await guess(hub, login, PASSCODE) == 429


async def test_success_takes_the_count_back(hub: Hub) -> None:
    login = hub.duties[Role.MEDIC].login
    for _ in range(2):
        for _ in range(FAILURES_BEFORE_LOCK - 1):
            assert await guess(hub, login) == 401
        assert await guess(hub, login, PASSCODE) == 201


async def test_a_login_that_nobody_has_is_refused_like_a_wrong_passcode(hub: Hub) -> None:
    answers = [await guess(hub, "nobody") for _ in range(FAILURES_BEFORE_LOCK + 1)]
    assert set(answers) == {401}
    # and takes as long
    assert not shifts._HASHER.check_needs_rehash(shifts._NOBODY)


async def test_each_failure_after_a_lock_locks_for_longer(hub: Hub) -> None:
    duty = hub.duties[Role.MEDIC]
    device = await hub.runtime.gatekeeper.principal(duty.device_token)
    at = clock.now()

    async def attempt(passcode: str = "wrong horse 111") -> None:
        await shifts.sign_in(hub.runtime.database, device, duty.login, passcode, at)

    for _ in range(FAILURES_BEFORE_LOCK):
        with pytest.raises(SignInRefused):
            await attempt()
    for lock in (LOCK, 2 * LOCK, 4 * LOCK):
        at += lock - timedelta(seconds=1)
        with pytest.raises(TooMany):
            await attempt(PASSCODE)
        at += timedelta(seconds=1)
        with pytest.raises(SignInRefused):
            await attempt()
    at += 8 * LOCK
    await attempt(PASSCODE)
