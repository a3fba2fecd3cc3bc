"""Departments that are asked over HTTP: page by page from a cursor, or again and again.

The cursor is ours (JSON): the department's own one where it has one, or else the `ETag` and
`Last-Modified` of what was read last. A department that has forgotten its cursor says 410: then
everything is read again from the beginning of a window, and the digests tell what was there.
"""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import Annotated, Final, Literal, Self
from urllib.parse import quote

from pydantic import (
    Field,
    model_validator,
)

from twinstile.arrivals import transport
from twinstile.arrivals.adapters import calls
from twinstile.arrivals.adapters.calls import Calls, CallSettings, Name
from twinstile.arrivals.records import Delivery, UnreadableDelivery
from twinstile.arrivals.transport import (
    MOST_BYTES,
    MOST_DELIVERIES,
    FeedFault,
    FetchedDelivery,
    TransportCursor,
)
from twinstile.platform.http import json_pointers
from twinstile.platform.http.json_pointers import Pointer
from twinstile.platform.http.outbound import CallFault, OutboundAnswer

LONGEST_TOKEN: Final = 2000
"""Of a department's cursor."""
LONGEST_TAG: Final = 500
HTML: Final = (b"<!doctype html", b"<html", b"<head", b"<body")

FAULTS: Final[Mapping[int, str]] = {
    HTTPStatus.UNAUTHORIZED: "unauthorised",
    HTTPStatus.FORBIDDEN: "unauthorised",
    HTTPStatus.NOT_FOUND: "not-found",
    HTTPStatus.GONE: "cursor-expired",
    HTTPStatus.TOO_MANY_REQUESTS: "rate-limited",
}


class HttpSettings(CallSettings):
    kind: Literal["http"]
    cursor_parameter: Name | None = None
    next_header: Name | None = None
    next_pointer: Pointer | None = None
    """Where an answer tells the next cursor; there is one more page as long as it is new."""
    since_parameter: Name | None = None
    """Without a cursor: where to begin, `window_s` ago."""
    window_s: int = Field(default=86_400, ge=60, le=31 * 86_400)
    pages: int = Field(default=20, ge=1, le=MOST_DELIVERIES)
    """Of one poll."""
    pause_s: float = Field(default=0, ge=0, le=60)
    """Between two pages."""
    compressed: bool = False
    media_types: Annotated[tuple[str, ...], Field(max_length=10)] = ()
    """What an answer may be, as `application/json`; anything but HTML unless given."""
    expect_pointer: Pointer | None = None
    expect_value: str | None = Field(default=None, max_length=100)
    """What an answer holds there if all is well; not given: anything but null."""

    @model_validator(mode="after")
    def _check_cursor(self) -> Self:
        nexts = self.next_header is not None, self.next_pointer is not None
        if all(nexts) or any(nexts) != (self.cursor_parameter is not None):
            raise ValueError("a cursor_parameter and one of next_header and next_pointer")
        if self.expect_value is not None and self.expect_pointer is None:
            raise ValueError("expect_value needs expect_pointer")
        return self

    def open(self) -> "HttpTransport":
        """Raises `FeedFault` where a file of a secret or certificate cannot be used."""
        return HttpTransport(self, Calls(self, MOST_BYTES))


class HttpCursor(TransportCursor):
    """Our cursor: where the department's answers stood."""

    next: str | None = None
    etag: str | None = None
    modified: str | None = None


class HttpTransport:
    """A `FeedTransport`."""

    def __init__(self, settings: HttpSettings, line: Calls) -> None:
        self._settings = settings
        self._calls = line

    async def fetch(
        self, cursor: str | None, now: dt.datetime
    ) -> AsyncIterator[FetchedDelivery]:
        place, told = HttpCursor.of(cursor), cursor
        met = {place.next or ""}
        for page in range(self._settings.pages):
            if page and self._settings.pause_s:
                await asyncio.sleep(self._settings.pause_s)
            answer = await self._ask(place, now)
            if answer.status == HTTPStatus.GONE and place != HttpCursor():
                place, met = HttpCursor(), {""}
                answer = await self._ask(place, now)
            body = self._read(answer, now)
            following = self._following(answer, body, place)
            if body is not None:
                told = following.written()
                kind = answer.headers.get("content-type", "")[:200]
                yield FetchedDelivery(Delivery(body, now, media_type=kind), told)
            if following.next == place.next or following.next is None:
                place = following
                break
            if following.next in met:
                raise FeedFault("cursor-loop")
            met.add(following.next)
            place = following
        if place.written() != (told or "{}"):
            yield FetchedDelivery(None, place.written())

    async def acknowledge(self, fetched: FetchedDelivery) -> None:
        """Nothing: a department keeps what it has sent."""
        del fetched

    async def close(self) -> None:
        await self._calls.close()

    async def _ask(self, place: HttpCursor, now: dt.datetime) -> OutboundAnswer:
        url = self._url(place, now)
        headers = {"Accept-Encoding": "gzip" if self._settings.compressed else "identity"}
        if self._settings.media_types:
            headers["Accept"] = ", ".join(self._settings.media_types)
        if place.etag:
            headers["If-None-Match"] = place.etag
        elif place.modified:
            headers["If-Modified-Since"] = place.modified
        try:
            return await self._calls.call("GET", url, headers, now, b"")
        except CallFault as fault:
            raise FeedFault(fault.reason) from None

    def _url(self, place: HttpCursor, now: dt.datetime) -> str:
        settings = self._settings
        begin = now - dt.timedelta(seconds=settings.window_s)
        name, value = settings.cursor_parameter, place.next
        if value is None:
            name, value = settings.since_parameter, f"{begin:%Y-%m-%dT%H:%M:%SZ}"
        if name is None:
            return settings.url
        mark = "&" if "?" in settings.url else "?"
        return f"{settings.url}{mark}{name}={quote(value, safe='')}"

    def _read(self, answer: OutboundAnswer, now: dt.datetime) -> bytes | None:
        """The body of a good answer; None if there is nothing new. Raises `FeedFault`."""
        if answer.status in {HTTPStatus.NOT_MODIFIED, HTTPStatus.NO_CONTENT}:
            return None
        if answer.status != HTTPStatus.OK:
            raise FeedFault(_fault(answer.status), calls.retry_after(answer.headers, now))
        body = _decoded(answer, compressed=self._settings.compressed)
        media = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        allowed = {one.lower() for one in self._settings.media_types}
        if media in {"text/html", "application/xhtml+xml"} and media not in allowed:
            raise FeedFault("html-page")
        if body[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(HTML):
            raise FeedFault("html-page")
        if allowed and media not in allowed:
            raise FeedFault("wrong-media-type")
        if self._settings.expect_pointer is not None:
            held = json_pointers.at(calls.parse_json(body), self._settings.expect_pointer)
            wanted = self._settings.expect_value
            if held is None or (wanted is not None and calls.text_of_json(held) != wanted):
                raise FeedFault("error-body")
        return body

    def _following(
        self, answer: OutboundAnswer, body: bytes | None, place: HttpCursor
    ) -> HttpCursor:
        """Where the next question begins."""
        settings = self._settings
        if settings.cursor_parameter is None:
            if body is None:
                return place
            tag, modified = answer.headers.get("etag"), answer.headers.get("last-modified")
            return HttpCursor(etag=_short(tag), modified=_short(modified))
        held: object = None
        if settings.next_header is not None:
            held = answer.headers.get(settings.next_header.lower())
        elif body is not None and settings.next_pointer is not None:
            held = json_pointers.at(calls.parse_json(body), settings.next_pointer)
        if held is None or held == "":
            return place
        if not isinstance(held, str | int) or len(calls.text_of_json(held)) > LONGEST_TOKEN:
            raise FeedFault("cursor-unreadable")
        return HttpCursor(next=calls.text_of_json(held))


def _fault(status: int) -> str:
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return "redirected"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "department-failed"
    return FAULTS.get(status, "unexpected-status")


def _decoded(answer: OutboundAnswer, *, compressed: bool) -> bytes:
    encoding = answer.headers.get("content-encoding", "identity").strip().lower()
    if encoding in {"", "identity"}:
        return answer.body
    if encoding not in {"gzip", "x-gzip"} or not compressed:
        raise FeedFault("encoding-not-asked-for")
    try:
        return transport.gunzip(answer.body, MOST_BYTES)
    except UnreadableDelivery as refusal:
        raise FeedFault(refusal.reason) from None


def _short(tag: str | None) -> str | None:
    return tag if tag and len(tag) <= LONGEST_TAG and tag.isprintable() else None
