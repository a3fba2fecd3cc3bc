"""EU certificates judged on the tablet, against the service's own reader and without a line."""

import functools
import io
import random
import zlib
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import datetime, timedelta

import _issuing as made
import _mutating as damage
import cbor2
import credential_issuers
import credential_vectors
import gate_browser
import people
import published_vectors
import pytest
import segno
from asn1crypto import x509
from asn1crypto.keys import PublicKeyInfo
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from gate_browser import Glass
from hubs import Hub, Service
from people import Json
from playwright.async_api import Browser, Page, expect

from twinstile.credentials import certificates, offline, subjects
from twinstile.credentials.trust import Denied, Domain, HashType, Slice, TrustList, digest
from twinstile.credentials.trusting import snapshots
from twinstile.credentials.types import STATUSES, Context
from twinstile.identity import regions
from twinstile.identity.forms import DocumentContext, DocumentForm
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.http.routes import Runtime
from twinstile.platform.ops import clock
from twinstile.platform.security.hub_modes import HubMode
from twinstile_simulator.credentials.certificates import PrivateKey

pytestmark = pytest.mark.timeout(240)

JUDGE = """async ([document, texts, now, shown]) => {
  const { judge, readTrust } = await import("/gate/certificate.js");
  const trust = await readTrust(document);
  return Promise.all(texts.map((text) => judge(text, trust, shown, now)));
}"""


@pytest.fixture(scope="module")
async def page(browser: Browser, service: Service) -> AsyncGenerator[Page]:
    opened = await browser.new_page()
    await opened.goto(f"{service.base_url}/enter")
    yield opened
    await opened.close()


async def told(
    page: Page,
    listed: TrustList,
    texts: Sequence[str],
    at: datetime,
    shown: Json | None = None,
) -> list[Json]:
    document = snapshots.written(listed, frozenset())
    found: list[Json] = await page.evaluate(
        JUDGE, [document, list(texts), at.timestamp() * 1000, shown]
    )
    return found


async def theirs(
    page: Page, listed: TrustList, texts: Sequence[str], at: datetime
) -> list[str]:
    return [one["status"] for one in await told(page, listed, texts, at)]


def ours(listed: TrustList, text: str, at: datetime) -> str:
    return STATUSES[offline.verify(text, listed, Context(at)).outcome].value


async def test_the_tablet_agrees_on_the_vectors_of_the_eu(page: Page) -> None:
    data = published_vectors.shared_data()
    if data is None:
        pytest.skip(
            "no test vectors on this machine (TWINSTILE_SHARED_DATA names their folder)"
        )
    wrong: list[tuple[str, str, str]] = []
    genuine = 0
    for path, vector in credential_vectors.vectors_of_the_eu(data):
        if not {"PREFIX", "TESTCTX"} <= vector.keys() or not vector["TESTCTX"].get(
            "CERTIFICATE"
        ):
            continue
        listed, at = credential_vectors.believing(vector)
        (found,) = await theirs(page, listed, [vector["PREFIX"]], at)
        wanted = ours(listed, vector["PREFIX"], at)
        genuine += wanted == "UNDER_REVIEW"
        if found != wanted:
            wrong.append((path, found, wanted))
    # no EU certificates: the tablet leaves them to the service, which reads more
    others = ("CBO1", "H1", "H2", "H3")
    named = [f"common/2DCode/raw/{name}.json" for name in others]
    assert wrong == [(path, "UNAVAILABLE", "INVALID") for path in named]
    assert genuine > 100


def signed(signer: int = 0, **more: object) -> str:
    now = int(clock.now().timestamp())
    dates = {"iat": now - 60, "exp": now + 3600, **more}
    kid = certificates.read(credential_issuers.CERTIFICATES[signer]).kid
    return made.dcc(
        credential_issuers.SIGNERS[signer], made.claims(made.CERTIFICATE, 1, **dates), kid
    )


async def test_what_speaks_against_a_certificate_is_seen_on_the_tablet(page: Page) -> None:
    now = clock.now()
    keys = [
        certificates.signer(certificates.read(der), Domain.EU_DCC, "XX")
        for der in credential_issuers.CERTIFICATES[:2]
    ]
    plain = credential_vectors.listed(now, *keys)
    text = signed()
    mark = offline.hcert.read(text).mark
    slices = {HashType.SIGNATURE: Slice.of([digest(mark)])}
    lists = {
        "UNDER_REVIEW": plain,  # nobody is there to compare
        "INVALID": credential_vectors.listed(now, *keys, revoked={keys[0].kid: slices}),
        "UNAVAILABLE": credential_vectors.listed(now, keys[1]),
        "STALE": TrustList(1, now - timedelta(hours=73), now + timedelta(1), plain.keys),
    }
    for status, listed in lists.items():
        assert await theirs(page, listed, [text], now) == [status]
        assert ours(listed, text, now) == status
    denied = credential_vectors.listed(
        now, *keys, denied=Denied(hashes=frozenset({digest(mark)}))
    )
    assert await theirs(page, denied, [text], now) == ["INVALID"]
    late = int(now.timestamp()) - 1
    assert await theirs(page, plain, [signed(exp=late)], now) == ["EXPIRED"]
    assert await theirs(page, plain, [signed(iat=late + 400)], now) == ["INVALID"]
    ends = credential_vectors.listed(
        now,
        *(
            made.trusted(key, kid=one.kid)
            for key, one in zip(credential_issuers.SIGNERS[2:], keys, strict=False)
        ),
    )
    assert await theirs(page, ends, [text], now) == ["INVALID"]  # another's key under that id


async def test_what_was_taken_back_stays_so_on_the_tablet_however_it_is_shown(
    page: Page,
) -> None:
    now, private = clock.now(), made.key()
    renewed, other = b"renewed!", b"vaccines"
    keys = [
        made.trusted(private, domain, kid)
        for domain, kid in (
            (Domain.EU_DCC, made.KID),
            (Domain.DDCC, renewed),
            (Domain.ICVP, other),
        )
    ]
    content = {**made.claims(made.CERTIFICATE), 4: int(now.timestamp()) + 3600}
    uci = made.CERTIFICATE["v"][0]["ci"]
    texts = [
        # an id that nobody signed
        made.code(made.cose(private, cbor2.dumps(content), {1: -7}, {4: kid}))
        for kid in (made.KID, renewed, other)
    ]
    lists = {
        "plain": credential_vectors.listed(now, *keys),
        "one id denied": credential_vectors.listed(
            now, *keys, denied=Denied(kids=frozenset({made.KID}))
        ),
        **{
            f"{kind} {named}": credential_vectors.listed(
                now,
                *keys,
                revoked={made.KID: {kind: Slice.of([digest(named.encode())])}},
            )
            for kind, named in (
                (HashType.UCI, uci),
                (HashType.COUNTRY_CODE_UCI, "UT" + uci),  # who issued it
                (HashType.COUNTRY_CODE_UCI, "AT" + uci),  # where the dose was given
            )
        },
    }
    found: set[str] = set()
    for name, listed in lists.items():
        for text, one in zip(texts, await told(page, listed, texts, now), strict=True):
            wanted = offline.verify(text, listed, Context(now)).outcome
            assert one["outcome"] == wanted, name
            found.add(one["outcome"])
    assert found == {
        "SUBJECT_UNCONFIRMED", "KEY_USAGE_MISMATCH", "REVOKED_KEYS", "REVOKED"
    }  # fmt: skip


def _rewritten(der: bytes, spki: bytes) -> bytes:
    """The certificate with its key written in another way."""
    found = x509.Certificate.load(der)
    found["tbs_certificate"]["subject_public_key_info"] = PublicKeyInfo.load(spki)
    return found.dump(force=True)


def _compressed(private: ec.EllipticCurvePrivateKey) -> bytes:
    point = private.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    return b"\x30\x39" + made.spki(private)[2:23] + b"\x03\x22\0" + point


def _by_another_name(private: rsa.RSAPrivateKey) -> bytes:
    """As a key that is for RSA-PSS alone."""
    plain = made.spki(private)
    named = bytes.fromhex("300b06092a864886f70d01010a") + plain[19:]
    return b"\x30\x82" + len(named).to_bytes(2, "big") + named


@pytest.mark.parametrize(
    ("private", "other"),
    [
        (ec.generate_private_key(ec.SECP256R1()), _compressed),
        (rsa.generate_private_key(65537, 2048), _by_another_name),
    ],
    ids=["compressed", "pss"],
)
async def test_a_key_written_another_way_is_the_same_key(
    page: Page,
    private: PrivateKey,
    other: Callable[[PrivateKey], bytes],
) -> None:
    now = clock.now()
    der = made.certificate(private, credential_issuers.AUTHORITY, usages=())
    again = _rewritten(der, other(private))
    keys = [
        certificates.signer(certificates.read(one), Domain.EU_DCC, "XX") for one in (der, again)
    ]
    second = int(now.timestamp())
    content = made.claims(made.CERTIFICATE, iat=second - 60, exp=second + 3600)
    text = made.dcc(private, content, keys[1].kid)
    plain = credential_vectors.listed(now, *keys)
    denied = credential_vectors.listed(now, *keys, denied=Denied(kids=frozenset({keys[0].kid})))
    for listed, outcome in ((plain, "SUBJECT_UNCONFIRMED"), (denied, "REVOKED_KEYS")):
        (one,) = await told(page, listed, [text], now)
        wanted = offline.verify(text, listed, Context(now)).outcome
        assert (wanted, one["outcome"]) == (outcome, outcome)


@pytest.mark.parametrize(
    "odd", [{4: 1e300}, {4: True}, {4: "never"}, {6: "long ago"}, {5: -2e12}]
)
async def test_a_date_that_is_none_ends_no_certificate_on_the_tablet(
    page: Page, odd: dict[object, object]
) -> None:
    now, private = clock.now(), made.key()
    listed = credential_vectors.listed(now, made.trusted(private))
    text = made.dcc(private, {**made.claims(made.CERTIFICATE), **odd})
    (one,) = await told(page, listed, [text], now)
    wanted = offline.verify(text, listed, Context(now)).outcome
    assert one["outcome"] == wanted == "INVALID_CONTENT"


Parts = list[object]
_DEEP = functools.reduce(lambda inner, _: [inner], range(40), 0)
SHAPES: Mapping[str, Callable[[Parts], object]] = {
    "five parts": lambda parts: [*parts, b""],
    "a header of numbers": lambda parts: [list(parts[0]), *parts[1:]],
    "a payload of numbers": lambda parts: [*parts[:2], list(parts[2]), parts[3]],
    "a signature of numbers": lambda parts: [*parts[:3], list(parts[3])],
    "no header beside it": lambda parts: [parts[0], 7, *parts[2:]],
    "a tag of something else": lambda parts: cbor2.CBORTag(98, parts),
    "a number of any size": lambda parts: [parts[0], {9: 2**70}, *parts[2:]],
    "deeper than any": lambda parts: [parts[0], {9: _DEEP}, *parts[2:]],
}  # fmt: skip


async def test_nothing_in_another_shape_is_a_certificate_on_the_tablet(page: Page) -> None:
    now, private = clock.now(), made.key()
    content = {**made.claims(made.CERTIFICATE), 4: int(now.timestamp()) + 3600}
    message = made.cose(private, cbor2.dumps(content), {1: -7, 4: made.KID}, {})
    parts = cbor2.loads(message).value
    shapes = {name: made.code(cbor2.dumps(shape(parts))) for name, shape in SHAPES.items()}
    pressed = zlib.compress(message)
    shapes |= {
        "longer than any code": "HC1:" + "0" * 8193,
        "a bomb": "HC1:" + made.base45(zlib.compress(bytes(4 << 20), 9)),
        "more after it": "HC1:" + made.base45(pressed + b"x"),
        "less than it": "HC1:" + made.base45(pressed[:-1]),
        "bytes after the message": made.code(message + b"\0"),
    }
    listed = credential_vectors.listed(now, made.trusted(private))
    whole = made.code(cbor2.dumps(parts))
    found = await told(page, listed, [whole, *shapes.values()], now)
    assert found[0]["outcome"] == "SUBJECT_UNCONFIRMED"
    for name, one, text in zip(shapes, found[1:], shapes.values(), strict=True):
        assert one["status"] == ours(listed, text, now) == "INVALID", name


def zone(birth: str = "740812", names: str = "ERIKSSON<<ANNA<MARIA") -> Json:
    lines = [f"P<UTO{names:<<39}", f"L898902C36UTO{birth}2F1204159ZE184226B<<<<<10"]
    return {"kind": "PASSPORT", "mrz": lines}


CARD = {
    "kind": "ID_CARD",
    "mrz": [
        "I<UTOD231458907<<<<<<<<<<<<<<<",
        "7408122F1204159UTO<<<<<<<<<<<6",
        "ERIKSSON<<ANNA<MARIA<<<<<<<<<<",
    ],
}
RESIDENT = people.resident_number(1, "19740812")
SPACED = f"{RESIDENT[:6]} {RESIDENT[6:14]}-{RESIDENT[14:].lower()}"
BORN, NAMES = "1974-08-12", ("ERIKSSON", "ANNA<MARIA")
GREEN, LOOK, OTHER = "VERIFIED", "SUBJECT_UNCONFIRMED", "SUBJECT_MISMATCH"


def numbered(number: str) -> Json:
    return {"kind": "RESIDENT_ID", "number": number}


@pytest.mark.parametrize(
    ("shown", "born", "names", "there", "here"),
    [
        (zone(), BORN, NAMES, GREEN, GREEN),
        (CARD, BORN, NAMES, GREEN, GREEN),
        (zone(), "1974-08-13", NAMES, OTHER, OTHER),
        (CARD, "1974-08-13", NAMES, OTHER, OTHER),
        (zone(), "1974-09", NAMES, OTHER, OTHER),
        (zone("7408<<"), "1974-09-12", NAMES, OTHER, OTHER),
        # what is left out is for the service, or somebody, to judge
        (zone(), "1974-08", NAMES, GREEN, LOOK),
        (zone(), "1974-00-00", NAMES, GREEN, LOOK),
        (zone("7408<<"), BORN, NAMES, GREEN, LOOK),
        (zone("<<<<<<"), BORN, NAMES, LOOK, LOOK),
        (zone("740832"), BORN, NAMES, LOOK, LOOK),
        # a century too young
        (zone("150812"), "2015-08-12", NAMES, GREEN, GREEN),
        (zone("150812"), "1915-08-12", NAMES, LOOK, LOOK),
        (zone("150812"), "1915-08-13", NAMES, OTHER, OTHER),
        # half a name is the sister's as well
        (zone(), BORN, ("ERIKSSON", ""), LOOK, LOOK),
        (zone(), BORN, ("", "ANNA<MARIA"), LOOK, LOOK),
        (zone(), BORN, ("ERIKSSON<<ANNA<MARIA", ""), LOOK, LOOK),
        (zone(names=""), BORN, ("", ""), LOOK, LOOK),
        (zone(names="ERIKSSON"), BORN, ("ERIKSSON", ""), GREEN, GREEN),
        # a card shows no name that machines read, and is typed as one likes
        (numbered(RESIDENT), BORN, NAMES, LOOK, LOOK),
        (numbered(SPACED), BORN, NAMES, LOOK, LOOK),
        (numbered(RESIDENT[:6] + RESIDENT[8:17]), BORN, NAMES, LOOK, LOOK),
        (numbered(RESIDENT), "1974-00-00", NAMES, LOOK, LOOK),
        (numbered(SPACED), "1974-08-13", NAMES, OTHER, OTHER),
        (numbered(RESIDENT), "1975", NAMES, OTHER, OTHER),
    ],
)
async def test_the_tablet_and_the_service_mean_the_same_person(
    page: Page, shown: Json, born: str, names: tuple[str, str], there: str, here: str
) -> None:
    now, private = clock.now(), made.key()
    family, given = names
    own = {**made.CERTIFICATE, "dob": born, "nam": {"fnt": family, "gnt": given}}
    second = int(now.timestamp())
    key = made.trusted(private)
    terms = DocumentContext(HubMode.DEMO, now.date(), (), regions.load(None))
    subject = subjects.of(DocumentForm.model_validate(shown), "/document", terms)
    plain = credential_vectors.listed(now, key)
    lists = {
        "plain": plain,
        "old": TrustList(1, now - timedelta(hours=73), now + timedelta(1), plain.keys),
        "denied": credential_vectors.listed(now, key, denied=Denied(kids=frozenset({key.kid}))),
    }
    for name, listed in lists.items():
        for ends in (second + 3600, second - 1):
            text = made.dcc(private, made.claims(own, iat=second - 60, exp=ends))
            (one,) = await told(page, listed, [text], now, shown)
            wanted = offline.verify(text, listed, Context(now, subject)).outcome
            if name == "plain" and ends > second:
                assert (wanted, one["outcome"]) == (there, here)
            else:
                assert one["outcome"] == wanted, (name, ends > second)


async def test_damage_makes_no_other_certificate_on_the_tablet(page: Page) -> None:
    now = clock.now()
    (key,) = (
        certificates.signer(certificates.read(der), Domain.EU_DCC, "XX")
        for der in credential_issuers.CERTIFICATES[:1]
    )
    listed = credential_vectors.listed(now, key)
    dice = random.Random(45)
    code = signed()
    mutants = [
        one.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        for one in (damage.mutated(code, dice) for _ in range(400))
        if one != code
    ]
    found = await theirs(page, listed, mutants, now)
    for text, status in zip(mutants, found, strict=True):
        if status == "UNDER_REVIEW":
            assert damage.signed(text) == damage.signed(code)
    assert set(found) >= {"INVALID"}


async def test_a_certificate_is_judged_without_a_line(
    browser: Browser, runtime: Runtime, place: DatabaseTarget, hub: Hub
) -> None:
    await credential_issuers.begin(
        hub, 1, credential_issuers.listed(credential_issuers.CERTIFICATES[0])
    )
    own = {**made.CERTIFICATE, "dob": "1974-08-12"}
    own["nam"] = {"fn": "Eriksson", "fnt": "ERIKSSON", "gn": "Anna Maria", "gnt": "ANNA<MARIA"}
    context = await browser.new_context(viewport=gate_browser.SIZE, locale="en-GB")
    async with gate_browser.station(runtime, place) as station:
        tablet: Glass = await gate_browser.enrolled(context, station.base_url, hub)
        await tablet.page.wait_for_timeout(1500)
        await station.end()
        zone = (
            "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
            "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
        )
        await tablet.scan(*zone, "36.5", credential_issuers.scanned(0, own))
        await tablet.shows("PASS")
        await expect(tablet.page.locator("#seen-credential")).to_have_text("Green")
        await tablet.press("#undo")
        await tablet.scan(
            credential_issuers.scanned(0, {**own, "nam": {**own["nam"], "gnt": "ANNA"}})
        )
        await tablet.shows("CHECK")
        await expect(tablet.page.locator("#seen-credential")).to_have_text("Under review")
        await tablet.press("#undo")
        await tablet.scan(credential_issuers.scanned(0, {**own, "dob": "1974-08-13"}))
        await tablet.shows("CHECK")
        await expect(tablet.page.locator("#seen-credential")).to_have_text("Invalid")
        await station.begin()
        await tablet.ask()
        await tablet.waits(0)
    assert not tablet.complaints
    await context.close()


async def test_a_code_is_read_from_a_photograph(browser: Browser, hub: Hub) -> None:
    pytest.importorskip("zxingcpp", reason="no zxing-cpp: pip install twinstile[images]")
    await credential_issuers.begin(
        hub, 1, credential_issuers.listed(credential_issuers.CERTIFICATES[0])
    )
    context = await browser.new_context(viewport=gate_browser.SIZE, locale="en-GB")
    tablet = await gate_browser.enrolled(context, hub.service.base_url, hub)
    await tablet.page.evaluate("delete window.BarcodeDetector")
    await tablet.scan(people.resident_number(), "36.5")
    drawn = io.BytesIO()
    segno.make(credential_issuers.scanned(0)).save(drawn, kind="png", scale=6, border=4)
    photograph = {"name": "a.png", "mimeType": "image/png", "buffer": drawn.getvalue()}
    await tablet.page.set_input_files("#picture", [photograph])
    await tablet.shows("CHECK")  # the certificate is somebody else's
    await expect(tablet.page.locator("#seen-credential")).to_have_text("Invalid")
    blank = io.BytesIO()
    segno.make("x").save(blank, kind="png", scale=1, dark="white")
    await tablet.page.set_input_files("#picture", [{**photograph, "buffer": blank.getvalue()}])
    await tablet.notes("No code was found")
    await context.close()
