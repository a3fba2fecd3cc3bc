"""Issuers of credentials with a trust list that believes them, for tests over HTTP."""

import datetime as dt
from base64 import b64encode

import _issuing as made
import httpx2
import people
import sqlalchemy as sa
from hubs import Hub
from people import Json
from sqlalchemy.ext.asyncio import create_async_engine

from twinstile.credentials import certificates
from twinstile.credentials.trust import Domain
from twinstile.opening import Place
from twinstile.platform import clock
from twinstile.platform.roles import Role

AUTHORITY = made.key()
SIGNERS = [made.key() for _ in range(3)]
ROOT = made.certificate(AUTHORITY, AUTHORITY, authority=True)
CERTIFICATES = [made.certificate(one, AUTHORITY, usages=()) for one in SIGNERS]


def text(der: bytes) -> str:
    return b64encode(der).decode()


def entry(der: bytes, domain: Domain = Domain.EU_DCC) -> Json:
    return {"domain": domain.value, "certificate": text(der)}


def listed(*ders: bytes, hours: float = 1, **more: object) -> Json:
    return {
        "issued_at": people.ago(hours=hours),
        "not_after": (clock.now() + dt.timedelta(days=7)).isoformat(),
        "entries": [entry(der) for der in ders],
        "authorities": [text(ROOT)],
        "reason": "gateway",
        **more,
    }


async def put(hub: Hub, version: int, body: Json) -> httpx2.Response:
    return await hub.client(Role.SUPERVISOR).put(f"/v1/trust-lists/{version}", json=body)


async def decide(hub: Hub, approval_id: str, verdict: str = "GRANTED") -> httpx2.Response:
    return await hub.client(Role.DUTY_COMMANDER).put(
        f"/v1/approvals/{approval_id}/decision", json={"verdict": verdict, "reason": "seen"}
    )


async def begin(hub: Hub, version: int, body: Json) -> None:
    """The first list of a hub, with its authorities: two agree on it."""
    asked = (await put(hub, version, body)).json()
    assert (asked["in_force"], asked["new_authorities"]) == (False, 1)
    done = await decide(hub, asked["approval"]["approval_id"])
    assert done.status_code == 200, done.text


def scanned(signer: int, body: Json = made.CERTIFICATE, sub: int = 1) -> str:
    second = int(clock.now().timestamp())
    content = made.claims(body, sub, iat=second - 60, exp=second + 3600)
    kid = certificates.read(CERTIFICATES[signer]).kid
    return made.dcc(SIGNERS[signer], content, kid)


async def overwritten(hub: Hub, place: Place, document: str) -> None:
    """Write over the lists of a hub, as somebody who owns the table can."""
    engine = create_async_engine(place.owner_url)
    async with engine.begin() as owner:
        await owner.execute(
            sa.text("UPDATE trust_list SET document = :d WHERE hub_id = :h"),
            {"d": document, "h": hub.hub_id},
        )
    await engine.dispose()
