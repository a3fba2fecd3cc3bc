"""Gateways over HTTP: of short messages, mail, an app's push service, a train's own screens.

None speaks like another, so what is sent is a template of the operator's, and where the answer
stands is told by JSON pointers. What matters is told apart with care: whether a gateway took
nothing for certain, said what became of each message, or left us without its answer.
"""

import datetime as dt
import json
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Final, Literal, Self, cast
from urllib.parse import urlencode
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from twinstile.arrivals.adapters import calls
from twinstile.arrivals.adapters.calls import Calls, CallSettings, Name, Url
from twinstile.arrivals.transport import FeedFault
from twinstile.platform.http import json_pointers
from twinstile.platform.http.json_pointers import Pointer
from twinstile.platform.http.outbound import CallFault, OutboundAnswer
from twinstile.reminders.channels import AnswerLost, ChannelDown
from twinstile.reminders.types import DeliveryOutcome, Message, MessageBatch
from twinstile.screening.types import NoticeState

MOST_BYTES: Final = 1 << 20
"""Of an answer."""
MARGIN_S: Final = 5.0
"""For a batch, beside its call."""
NOT_SENT: Final = frozenset(
    {
        "name-unknown", "address-refused", "connect-failed", "connect-timeout", "tls-failed",
        "proxy-failed", "secret-unreadable", "certificate-unreadable",
    }
)  # fmt: skip
"""Faults after which nothing had left this house."""
UNCERTAIN: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT})
"""Refusals after which the messages may be with the gateway all the same."""
WORDS: Final[Mapping[int, str]] = {
    HTTPStatus.UNAUTHORIZED: "unauthorised",
    HTTPStatus.FORBIDDEN: "unauthorised",
    HTTPStatus.TOO_MANY_REQUESTS: "rate-limited",
}

Word = Annotated[str, Field(max_length=200)]
_WORD: Final = re.compile(r"[A-Za-z0-9._:-]{1,100}")
_HOLE: Final = re.compile(r"\{([a-z_]+)\}")
_OF_MESSAGE: Final = frozenset(
    {"id", "to", "digits", "text", "language", "not_after", "counts"}
)
_OF_BATCH: Final = frozenset({"batch", "not_after"})


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class AnswerSettings(_Part):
    """Where an answer says what became of each message, and in which words."""

    results: Pointer = ""
    """A list of results, or, of a single message, its result."""
    id: Pointer | None = None
    """Our id in a result; without it results stand in the order of the messages."""
    ref: Pointer | None = None
    state: Pointer
    code: Pointer | None = None
    states: dict[Word, Literal["WAITING", "HANDED", "SENT", "DELIVERED", "FAILED"]] = Field(
        min_length=1, max_length=200
    )
    """What their words mean. WAITING: not taken, to be tried again."""


class AskSettings(_Part):
    """How to ask what became of messages."""

    url: Url
    """`{batch}` in it is the batch's id."""
    body: dict[str, JsonValue] | None = None
    """With `{batch}` and the list `{ids}`; without a body it is a GET."""
    every_s: int = Field(default=60, ge=10, le=3600)
    answer: AnswerSettings | None = None
    """As that of sending unless given; `id` is needed."""


class GatewaySettings(CallSettings):
    kind: Literal["http"]
    together: int = Field(default=1, ge=1, le=500)
    """Messages of a call."""
    encoding: Literal["json", "form"] = "json"
    body: dict[str, JsonValue]
    """Of a call: `{messages}` stands for the list of them, or the holes of one message."""
    message: dict[str, JsonValue] | None = None
    headers: dict[Name, Word] = Field(default={}, max_length=20)
    accepted: Literal["HANDED", "SENT"] = "HANDED"
    """What a message is after a 2xx, where no `answer` tells of each."""
    none_taken: Annotated[tuple[int, ...], Field(max_length=20)] = ()
    """Statuses besides 4xx that say for certain that nothing was taken."""
    answer: AnswerSettings | None = None
    ask: AskSettings | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.within_s > 20:
            raise ValueError("within_s: at most 20 for a channel")
        if (self.message is None) != (self.together == 1):
            raise ValueError("a message and together of two or more go together")
        holes = _OF_BATCH | {"messages"} if self.message else _OF_BATCH | _OF_MESSAGE
        _require(self.body, holes)
        _require(self.message or {}, _OF_MESSAGE)
        if self.message and "{messages}" not in self.body.values():
            raise ValueError("a member of body that is {messages}")
        if self.encoding == "form" and (self.message or not _flat(self.body)):
            raise ValueError("a form has one message and plain members")
        if self.ask is not None:
            _require(self.ask.body or {}, _OF_BATCH | {"ids"})
            told = self.ask.answer or self.answer
            if told is None or told.id is None:
                raise ValueError("ask needs an answer with id")
        return self


def _require(template: JsonValue, holes: frozenset[str]) -> None:
    written = json.dumps(template, ensure_ascii=False)
    if unknown := set[str](_HOLE.findall(written)) - holes:
        raise ValueError(f"no such thing to fill in: {', '.join(sorted(unknown))}")


def _flat(template: Mapping[str, JsonValue]) -> bool:
    return not any(isinstance(part, list | dict) for part in template.values())


def filled(template: JsonValue, parts: Mapping[str, JsonValue]) -> JsonValue:
    """The template with its holes filled; what is filled in is never looked at again."""
    if isinstance(template, dict):
        return {name: filled(part, parts) for name, part in template.items()}
    if isinstance(template, list):
        return [filled(part, parts) for part in template]
    if not isinstance(template, str):
        return template
    whole = _HOLE.fullmatch(template)
    if whole is not None:
        return parts[whole[1]]
    return _HOLE.sub(lambda hole: str(parts[hole[1]]), template)


class Gateway:
    """A `Channel`. Its secrets are read for each call, so that they can be changed."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings

    @property
    def at_once(self) -> int:
        return self._settings.together

    @property
    def deadline_s(self) -> float:
        return self._settings.within_s + MARGIN_S

    @property
    def asked_every(self) -> timedelta:
        ask = self._settings.ask
        return timedelta(seconds=ask.every_s if ask else 60)

    async def send(
        self, batch: MessageBatch, messages: Sequence[Message]
    ) -> Mapping[UUID, DeliveryOutcome]:
        """Send a batch. Raises `ChannelDown`, `AnswerLost`."""
        settings = self._settings
        parts = _parts_of(batch)
        if settings.message is None:
            (message,) = messages
            parts |= _parts(batch, message)
        else:
            each = [filled(settings.message, _parts(batch, one)) for one in messages]
            parts["messages"] = each
        body = filled(settings.body, parts)
        answer = await self._call("POST", settings.url, body)
        self._require_taken(answer)
        if settings.answer is None:
            taken = DeliveryOutcome(NoticeState(settings.accepted))
            return {message.notice_id: taken for message in messages}
        return _told(settings.answer, answer, {one.notice_id: one.to for one in messages})

    async def ask(
        self, batch: MessageBatch, notices: Sequence[UUID], at: dt.datetime, *, answered: bool
    ) -> Mapping[UUID, DeliveryOutcome]:
        """What the gateway says of messages; one it never said the end of has failed."""
        said: dict[UUID, DeliveryOutcome] = {}
        if (ask := self._settings.ask) is not None:
            ids: list[JsonValue] = [str(one) for one in notices]
            parts = _parts_of(batch) | {"ids": ids}
            url = ask.url.replace("{batch}", str(batch.batch_id))
            method = "GET" if ask.body is None else "POST"
            answer = await self._call(method, url, filled(ask.body or {}, parts))
            if answer.status != HTTPStatus.OK:
                raise AnswerLost(f"status-{answer.status}")
            told = ask.answer or self._settings.answer
            said = _told(told, answer, dict.fromkeys(notices)) if told else {}
        if answered and at >= batch.not_after:
            silent = DeliveryOutcome(NoticeState.FAILED, code="no-receipt")
            waiting = {NoticeState.HANDED, NoticeState.WAITING}
            return dict.fromkeys(notices, silent) | {
                of: outcome for of, outcome in said.items() if outcome.state not in waiting
            }
        return said

    async def _call(self, method: str, url: str, body: JsonValue) -> OutboundAnswer:
        """Raises `ChannelDown` where nothing had left, `AnswerLost` where it may have."""
        headers = dict(self._settings.headers)
        written = b""
        if method == "POST":
            form = self._settings.encoding == "form"
            kind = "x-www-form-urlencoded" if form else "json"
            headers["Content-Type"] = f"application/{kind}"
            plain = cast("dict[str, JsonValue]", body)
            written = (
                urlencode(plain) if form else json.dumps(body, ensure_ascii=False)
            ).encode()
        try:
            line = Calls(self._settings, MOST_BYTES)
        except FeedFault as fault:
            raise ChannelDown(fault.reason) from None
        try:
            return await line.call(method, url, headers, dt.datetime.now(dt.UTC), written)
        except CallFault as fault:
            if fault.reason in NOT_SENT:
                raise ChannelDown(fault.reason) from None
            raise AnswerLost(fault.reason) from None
        finally:
            await line.close()

    def _require_taken(self, answer: OutboundAnswer) -> None:
        status = answer.status
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            raise ChannelDown("redirected")
        refused = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
        if status in self._settings.none_taken or (refused and status not in UNCERTAIN):
            wait = calls.retry_after(answer.headers, dt.datetime.now(dt.UTC))
            code = WORDS.get(status, f"status-{status}")
            raise ChannelDown(code, None if wait is None else timedelta(seconds=wait))
        raise AnswerLost(f"status-{status}")


def _parts_of(batch: MessageBatch) -> dict[str, JsonValue]:
    return {"batch": str(batch.batch_id), "not_after": _moment(batch.not_after)}


def _parts(batch: MessageBatch, message: Message) -> dict[str, JsonValue]:
    return {
        "id": str(message.notice_id),
        "to": message.to,
        "digits": message.to.removeprefix("+"),
        "text": message.text,
        "language": message.language,
        "counts": dict(message.counts or {}),
        "not_after": _moment(batch.not_after),
    }


def _moment(at: dt.datetime) -> str:
    return f"{at.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def _told(
    where: AnswerSettings, answer: OutboundAnswer, addressed: Mapping[UUID, str | None]
) -> dict[UUID, DeliveryOutcome]:
    """What an answer says of messages, by the address of each if that is known.

    Raises `AnswerLost` for one that is not as it should be: nobody knows what it meant.
    """
    try:
        found = json_pointers.at(calls.parse_json(answer.body), where.results)
    except FeedFault as fault:
        raise AnswerLost(fault.reason) from None
    results = cast("list[object]", found) if isinstance(found, list) else [found]
    if where.id is None and len(results) != len(addressed):
        raise AnswerLost("answer-unreadable")
    known = {str(one): one for one in addressed}
    in_order = list(known)
    said: dict[UUID, DeliveryOutcome] = {}
    for place, result in enumerate(results):
        of = in_order[place] if where.id is None else str(json_pointers.at(result, where.id))
        state = where.states.get(calls.text_of_json(json_pointers.at(result, where.state)))
        if of in known and state is not None:
            to = addressed[known[of]]
            ref, code = (_bare(result, pointer, to) for pointer in (where.ref, where.code))
            said[known[of]] = DeliveryOutcome(NoticeState(state), to and ref, code)
    if not said and addressed:
        raise AnswerLost("answer-unreadable")
    return said


def _bare(result: object, pointer: Pointer | None, to: str | None) -> str | None:
    """A word of the gateway's that is only a word: some put the address into it.

    Where nobody knows the address here, what has a long number in it is left out.
    """
    held = None if pointer is None else json_pointers.at(result, pointer)
    if held is None:
        return None
    told = calls.text_of_json(held)
    digits = re.sub(r"\D", "", to or "")[-7:]
    tells = digits in re.sub(r"\D", "", told) if digits else re.search(r"\d{5}", told)
    return "withheld" if tells or not _WORD.fullmatch(told) else told
