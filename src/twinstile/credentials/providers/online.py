"""Asking an online provider within a deadline, and not asking one that is down.

Nobody at a lane waits longer than `WITHIN_S`. A provider that does not answer takes up at most
`AT_ONCE` calls, then its breaker keeps the rest away: lanes that do not use it feel nothing.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Final

from twinstile.credentials.providers import answers, questions
from twinstile.credentials.providers.answers import AnswerUnusable
from twinstile.credentials.providers.profiles import ProviderProfile
from twinstile.credentials.providers.questions import Sign
from twinstile.credentials.types import (
    Assessment,
    Context,
    CredentialOutcome,
    ProviderHealth,
    Scheme,
)
from twinstile.platform.http.circuit_breaker import Breaker, BreakerState
from twinstile.platform.http.outbound import CallFault, Outbound, OutboundAnswer
from twinstile.platform.ops import clock, observability

WITHIN_S: Final = 0.7
"""For a provider, its name, its connection and its answer: of the 0.8 s that a lane waits at
most, the rest is for reading, deciding and storing."""
AT_ONCE: Final = 8
MOST_BYTES: Final = 64 * 1024
LONGEST: Final = 4296
"""Characters: what the largest QR code holds."""
_LATE: Final = ("timeout", "connect-timeout")
_CHANCES: Final = secrets.SystemRandom()


@dataclass(frozen=True, slots=True)
class Shape:
    """Of codes: their characters, and how many."""

    characters: frozenset[str]
    shortest: int
    longest: int

    def fits(self, text: str) -> bool:
        return self.shortest <= len(text) <= self.longest and self.characters.issuperset(text)


@dataclass(slots=True)
class Online:
    """A `Provider`; one line, one breaker and so many places of its own."""

    name: str
    profile: ProviderProfile
    url: str
    sign: Sign = field(repr=False)
    parameters: Mapping[str, str]
    prefixes: tuple[str, ...]
    """Of texts that are this provider's; none: whatever has the shape."""
    calls: Outbound
    shape: Shape | None = None
    now: Callable[[], datetime] = clock.now
    within_s: float = WITHIN_S
    _breaker: Breaker = field(default_factory=Breaker)
    _places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    def detect(self, raw: str) -> Scheme | None:
        begins = not self.prefixes or raw.startswith(self.prefixes)
        fits = self.shape is None or self.shape.fits(raw)
        return Scheme.ONLINE if begins and fits else None

    async def verify(self, raw: str, context: Context) -> Assessment:
        """What the provider knows of a code; what it took is counted by its outcome."""
        begun = time.perf_counter()
        found = await self._verify(raw, context)
        outcome = _COUNTED.get(found.outcome, "answered")
        took = time.perf_counter() - begun
        observability.PROVIDER_SECONDS.labels(self.name, outcome).observe(took)
        left_alone = self._breaker.state is not BreakerState.CLOSED
        observability.PROVIDER_OPEN.labels(self.name).set(left_alone)
        return found

    async def probe(self) -> OutboundAnswer:
        """Whether it can be reached: any answer to a request that asks of no code.

        Raises `CallFault`.
        """
        return await self.calls.call("GET", self.url, {"Accept-Encoding": "identity"})

    async def _verify(self, raw: str, context: Context) -> Assessment:
        if len(raw) > LONGEST:
            return answers.unanswered(CredentialOutcome.INVALID_ENCODING, context.now)
        if not self._breaker.allows(self.now()) or self._places.locked():
            return answers.unanswered(CredentialOutcome.PROVIDER_UNAVAILABLE, context.now)
        async with self._places:
            self._breaker = self._breaker.asked(self.now())
            try:
                body = await self._ask(raw, context.now)
                told = answers.read(self.profile, body, context)
            except CallFault as fault:
                return self._failed(fault.reason, context.now)
            except AnswerUnusable as refusal:
                if refusal.reason == "not-json":
                    return self._failed(refusal.reason, context.now)
                # it answers: five codes of another kind in a row must not cut off the lane
                self._breaker = self._breaker.succeeded()
                return answers.unanswered(CredentialOutcome.PROVIDER_UNAVAILABLE, context.now)
            self._breaker = self._breaker.succeeded()
            return answers.assessment(told, context.now)

    def health(self, now: datetime) -> ProviderHealth:
        del now
        return ProviderHealth(None, None, None, self._breaker.state)

    async def close(self) -> None:
        await self.calls.close()

    async def _ask(self, raw: str, at: datetime) -> bytes:
        """The body of an answer. Raises `CallFault`."""
        question = questions.ask(self.profile, self.sign, raw, self.parameters, at)
        try:
            async with asyncio.timeout(self.within_s):
                answer = await self.calls.call(
                    "POST", self.url, question.headers, question.body
                )
        except TimeoutError:
            raise CallFault("timeout") from None
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status in _REFUSED:
            raise CallFault("provider-failed")
        return answer.body

    def _failed(self, reason: str, at: datetime) -> Assessment:
        self._breaker = self._breaker.failed(self.now(), _CHANCES.random())
        late = reason in _LATE
        outcome = (
            CredentialOutcome.PROVIDER_TIMEOUT
            if late
            else CredentialOutcome.PROVIDER_UNAVAILABLE
        )
        return answers.unanswered(outcome, at)


_COUNTED: Final[Mapping[CredentialOutcome, str]] = {
    CredentialOutcome.INVALID_ENCODING: "not-asked",
    CredentialOutcome.PROVIDER_TIMEOUT: "timeout",
    CredentialOutcome.PROVIDER_UNAVAILABLE: "unavailable",
}
_REFUSED: Final = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.TOO_MANY_REQUESTS,
)
