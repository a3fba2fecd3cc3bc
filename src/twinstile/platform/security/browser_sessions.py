"""Browsers: the tokens of a device and of a shift, in cookies that no script can read.

A browser is enrolled once, as any device, and a person signs in on it for a shift. It holds the
same two tokens as others do, so rights, ends and revocation are the same. What differs is where
they are kept (`__Host-` cookies, draft-ietf-httpbis-rfc6265bis), and that no page of somebody
else may use them: the browser says which page asks (W3C Fetch Metadata, and Origin).
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from fastapi import Request, Response

from twinstile.platform.http.problems import (
    Conflict,
    Forbidden,
    Unauthenticated,
    UnsupportedMediaType,
)
from twinstile.platform.ops.settings import Settings
from twinstile.platform.security.auth import DeviceRevoked, Gatekeeper, Principal, Scope

DEVICE: Final = "__Host-device"
SHIFT: Final = "__Host-shift"
KEPT: Final = timedelta(days=400)
"""How long a browser keeps a cookie at most; each signing in begins it anew."""
MAX_TOKEN: Final = 256
FORGET: Final = '"cache", "cookies", "storage"'
"""What a revoked browser throws away (W3C Clear Site Data): all that it has of this service."""

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_FORMS: Final = frozenset(
    {"", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain"}
)
"""What a page of somebody else can post without asking first (Fetch: CORS-safelisted)."""
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class SignInNeeded(Unauthenticated):
    slug = "sign-in-needed"
    title = "Nobody is signed in on this browser, or the shift has ended"


class ForeignPage(Forbidden):
    slug = "foreign-page"
    title = "This was asked by a page that is not of this service"


class HttpsNeeded(Forbidden):
    slug = "https-needed"
    title = "A browser is let in over HTTPS only: passcodes would be readable on the way"


class AlreadyEnrolled(Conflict):
    slug = "already-enrolled"
    title = "This browser is enrolled: revoke its device before it gets another"


def sheltered(request: Request, settings: Settings) -> bool:
    """Whether nobody between can read or change what is said.

    HTTPS here, or at a proxy that `public_url` tells of, or this very machine. The browser
    itself keeps our cookies under no other conditions.
    """
    host = request.headers.get("host", "")
    return (
        request.url.scheme == "https"
        or request.url.hostname in _LOOPBACK
        or (settings.public_url or "").lower() == f"https://{host}".lower()
    )


def origin(request: Request, settings: Settings) -> str:
    """Where this browser reaches the service, as scheme, host and port."""
    host = request.headers.get("host", "")
    return settings.public_url or f"{request.url.scheme}://{host}"


def require_own_page(request: Request, settings: Settings) -> None:
    """Raise `ForeignPage` when the browser says so, or says nothing of who wants to change.

    Another port of this host is another page, although its cookies would be the same.
    """
    site, said = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    safe = request.method in _SAFE
    if site is not None:
        own = site == "same-origin" or (safe and site == "none")
    elif said is not None:
        own = said == origin(request, settings)
    else:
        own = safe
    if not own:
        raise ForeignPage


async def caller(
    request: Request, settings: Settings, gatekeeper: Gatekeeper, needed: frozenset[Scope]
) -> Principal:
    """Who asks, by cookies: the shift if it has the scopes needed, else the device.

    A tablet hands over its backlog whoever has signed in meanwhile, or nobody. Raises
    `Unauthenticated`, `SignInNeeded`, `DeviceRevoked`, `ForeignPage`.
    """
    kept = list(_kept(request))
    if not kept or not sheltered(request, settings):
        raise Unauthenticated
    require_own_page(request, settings)
    held: Principal | None = None
    for token in kept:
        try:
            known = await gatekeeper.principal(token)
        except DeviceRevoked as revoked:
            revoked.headers["Clear-Site-Data"] = FORGET
            raise
        except Unauthenticated:
            continue
        if needed <= known.scopes:
            return known
        held = held or known
    if held is None:
        raise Unauthenticated
    if held.shift_id is None and not held.closed:
        raise SignInNeeded
    return held


def _kept(request: Request) -> Iterator[str]:
    for name in (SHIFT, DEVICE):
        token = request.cookies.get(name, "")
        if 0 < len(token) <= MAX_TOKEN:
            yield token


def require_no_form(request: Request) -> None:
    """Raise `UnsupportedMediaType` for a post that a form elsewhere could have made."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method == "POST" and media in _FORMS:
        raise UnsupportedMediaType


def by_cookie(request: Request) -> bool:
    """Whether the caller of this request was known by cookies."""
    return "authorization" not in request.headers


async def require_fresh(request: Request, settings: Settings, gatekeeper: Gatekeeper) -> None:
    """Refuse to enrol, unless a page of ours asks, unread on the way, in a browser not let in.

    One whose device was revoked may be let in again. Raises `HttpsNeeded`, `ForeignPage`,
    `AlreadyEnrolled`.
    """
    if not sheltered(request, settings):
        raise HttpsNeeded
    require_own_page(request, settings)
    try:
        await gatekeeper.principal(request.cookies.get(DEVICE, "")[:MAX_TOKEN])
    except Unauthenticated:
        return
    raise AlreadyEnrolled


def keep_device(response: Response, token: str) -> None:
    """Let the browser keep who it is."""
    _set(response, DEVICE, token, KEPT)


def keep_shift(request: Request, response: Response, token: str, left: timedelta) -> None:
    """Let the browser keep who is signed in until the shift ends, and for longer who it is."""
    _set(response, SHIFT, token, left)
    _set(response, DEVICE, request.cookies[DEVICE], KEPT)


def drop_shift(response: Response) -> None:
    """Let the browser forget who was signed in."""
    _set(response, SHIFT, "", timedelta())


def _set(response: Response, name: str, value: str, lifetime: timedelta) -> None:
    response.set_cookie(
        name,
        value,
        max_age=int(lifetime.total_seconds()),
        path="/",
        secure=True,
        httponly=True,
        samesite="strict",
    )
