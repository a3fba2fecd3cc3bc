"""Departments asked over HTTP: real sockets, and every answer nobody wants."""

import datetime as dt
import gzip
import json
import socket
import ssl
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from folder_sender import NOW, Polled, poll
from pydantic import ValidationError
from raw_http_server import Asked, Department, Script, answer, department

from twinstile.arrivals.adapters.http import HttpSettings
from twinstile.arrivals.transport import MOST_BYTES, FeedFault
from twinstile.platform.http import outbound, request_signatures
from twinstile.platform.http.request_signatures import SharedKey

PAGE = b'{"code":0,"data":[1],"next":null}'


def settings(url: str, **more: object) -> HttpSettings:
    given = {"kind": "http", "url": url, "inside": True, "within_s": 2.0} | more
    return HttpSettings.model_validate(given)


async def ask(there: Department, cursor: str | None = None, **more: object) -> Polled:
    transport = settings(there.url, **more).open()
    try:
        return await poll(transport, cursor)
    finally:
        await transport.close()


async def asked_once(script: Script, **more: object) -> Polled:
    async with department(script) as there:
        return await ask(there, **more)


async def test_a_page_is_handed_over_as_it_came() -> None:
    polled = await asked_once(lambda _: [answer(PAGE)])
    assert (polled.bodies, polled.fault) == ([PAGE], None)
    (delivery,) = (one.delivery for one in polled.fetched)
    assert delivery is not None
    assert delivery.media_type == "application/json"


async def test_pages_are_read_from_cursor_to_cursor() -> None:
    def pages(asked: Asked) -> Iterator[bytes]:
        after = parse_qs(urlsplit(asked.target).query).get("after", ["0"])[0]
        following = min(int(after) + 1, 3)
        yield answer(b'{"page":%d,"meta":{"next":%d}}' % (int(after), following))

    how = {"cursor_parameter": "after", "next_pointer": "/meta/next"}
    async with department(pages) as there:
        polled = await ask(there, **how)
        assert [json.loads(body)["page"] for body in polled.bodies] == [0, 1, 2, 3]
        again = await ask(there, polled.cursor, **how)
    assert [json.loads(body)["page"] for body in again.bodies] == [3]


async def test_a_cursor_may_come_in_a_header_and_may_hold_anything() -> None:
    odd = "a&b=c/+ 1?%"

    def pages(asked: Asked) -> Iterator[bytes]:
        after = parse_qs(urlsplit(asked.target).query).get("after")
        assert after in (None, [odd])
        yield answer(
            PAGE if after is None else b"", "200 OK" if after is None else "204 No", x_next=odd
        )

    polled = await asked_once(pages, cursor_parameter="after", next_header="X-Next")
    assert (polled.bodies, polled.fault) == ([PAGE], None)
    assert json.loads(polled.cursor or "") == {"next": odd}


async def test_a_poll_ends_after_its_pages_and_cursors_that_go_round() -> None:
    def endless(asked: Asked) -> list[bytes]:
        after = int(parse_qs(urlsplit(asked.target).query).get("n", ["0"])[0])
        return [answer(PAGE, x_next=str(after + 1))]

    how = {"cursor_parameter": "n", "next_header": "x-next"}
    polled = await asked_once(endless, pages=4, **how)
    assert (len(polled.bodies), json.loads(polled.cursor or "")) == (4, {"next": "4"})

    def round_about(asked: Asked) -> list[bytes]:
        return [answer(PAGE, x_next="b" if asked.target.endswith("=a") else "a")]

    polled = await asked_once(round_about, **how)
    assert (len(polled.bodies), polled.fault) == (3, "cursor-loop")


async def test_what_has_not_changed_is_not_read_again() -> None:
    def tagged(asked: Asked) -> list[bytes]:
        if asked.headers.get("if-none-match") == '"v1"':
            return [answer(status="304 Not Modified", etag='"v1"')]
        return [answer(PAGE, etag='"v1"')]

    async with department(tagged) as there:
        polled = await ask(there)
        again = await ask(there, polled.cursor)
    assert polled.bodies == [PAGE]
    assert (again.fetched, again.fault, again.cursor) == ([], None, polled.cursor)


async def test_without_a_tag_the_date_of_the_last_change_is_told() -> None:
    since = "Fri, 20 Nov 2026 07:00:00 GMT"
    async with department(lambda _: [answer(PAGE, last_modified=since)]) as there:
        polled = await ask(there)
        await ask(there, polled.cursor)
        assert [one.headers.get("if-modified-since") for one in there.asked] == [None, since]


async def test_a_cursor_that_has_expired_begins_again_at_the_window() -> None:
    def forgetful(asked: Asked) -> list[bytes]:
        if "after=old" in asked.target:
            return [answer(b"{}", "410 Gone")]
        return [answer(PAGE, x_next="new")]

    how = {"cursor_parameter": "after", "next_header": "x-next", "since_parameter": "from"}
    async with department(forgetful) as there:
        polled = await ask(there, '{"next":"old"}', pages=1, window_s=3600, **how)
        assert there.asked[-1].target == "/v1/list?from=2026-11-20T07%3A00%3A00Z"
    assert (polled.bodies, polled.cursor) == ([PAGE], '{"next":"new"}')
    polled = await asked_once(lambda _: [answer(b"", "410 Gone")], **how)
    assert polled.fault == "cursor-expired"

    def gone_quiet(asked: Asked) -> list[bytes]:
        return [answer(b"", "410 Gone" if "after" in asked.target else "204 None")]

    async with department(gone_quiet) as there:
        polled = await ask(there, '{"next":"old"}', **how)
    assert (polled.cursor, polled.fault) == ("{}", None)  # it is not asked for again


BIG = MOST_BYTES + 1


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        ([answer(b"<p>busy</p>", content_type="text/html; charset=utf-8")], "html-page"),
        ([answer(b"\xef\xbb\xbf\n<!DOCTYPE html><title>Sign in")], "html-page"),
        ([answer(b"", "302 Found", location="http://169.254.169.254/latest")], "redirected"),
        ([answer(b"", "307 Moved", location="http://127.0.0.1:22/")], "redirected"),
        ([answer(b"", "401 Who")], "unauthorised"),
        ([answer(b"", "404 Not")], "not-found"),
        ([answer(b"", "500 Oh")], "department-failed"),
        ([answer(b"", "206 Part")], "unexpected-status"),
        ([answer(PAGE, length=len(PAGE) + 5)], "answer-broken"),
        ([answer(PAGE)[:40]], "answer-broken"),
        ([b"SSH-2.0-OpenSSH_9.9\r\n"], "answer-broken"),
        ([], "answer-broken"),
        ([answer(b"x", length=BIG)], "too-large"),
        (
            [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"]
            + [b"100000\r\n" + bytes(1 << 20) + b"\r\n"] * 21,
            "too-large",
        ),
        (
            [answer(gzip.compress(PAGE, mtime=0), content_encoding="gzip")],
            "encoding-not-asked-for",
        ),
        ([answer(PAGE, content_encoding="br")], "encoding-not-asked-for"),
    ],
)
async def test_what_is_no_delivery_is_a_fault(script: list[bytes], fault: str) -> None:
    polled = await asked_once(lambda _: script)
    assert (polled.fetched, polled.fault) == ([], fault)


async def test_nothing_beyond_the_cap_is_taken_in() -> None:
    sent = 0

    def flood(_: Asked) -> Iterator[bytes]:
        nonlocal sent
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        while sent < 4 * MOST_BYTES:
            sent += 1 << 18
            yield bytes(1 << 18)

    assert (await asked_once(flood, within_s=10)).fault == "too-large"
    assert sent < 2 * MOST_BYTES


async def test_a_body_that_drips_ends_at_its_deadline() -> None:
    drops = [answer(PAGE)[:60], *(b"x" for _ in range(1000))]
    async with department(lambda _: drops, drip_s=0.01) as there:
        assert (await ask(there, within_s=0.15)).fault == "timeout"


async def test_a_department_that_says_nothing_ends_at_its_deadline() -> None:
    async with department(lambda _: [b""], drip_s=30) as there:
        assert (await ask(there, within_s=0.1)).fault == "timeout"


@pytest.mark.parametrize(
    ("held", "fault"),
    [
        (gzip.compress(PAGE, mtime=0), None),
        (gzip.compress(PAGE, mtime=0)[:-5], "truncated"),
        (b"plain", "gzip-broken"),
        (gzip.compress(bytes(BIG), mtime=0), "too-large"),
    ],
)
async def test_compressed_answers_are_taken_where_asked_for(
    held: bytes, fault: str | None
) -> None:
    polled = await asked_once(
        lambda _: [answer(held, content_encoding="gzip")], compressed=True
    )
    assert (polled.bodies, polled.fault) == ([] if fault else [PAGE], fault)


@pytest.mark.parametrize(
    ("body", "expected", "fault"),
    [
        (PAGE, {"expect_pointer": "/code", "expect_value": "0"}, None),
        (PAGE, {"expect_pointer": "/data/0"}, None),
        (b'{"code":500}', {"expect_pointer": "/code", "expect_value": "0"}, "error-body"),
        (b'{"code":"0"}', {"expect_pointer": "/code", "expect_value": "0"}, None),
        (b'{"data":null}', {"expect_pointer": "/data"}, "error-body"),
        (b"[]", {"expect_pointer": "/0"}, "error-body"),
        (PAGE[:9], {"expect_pointer": "/code"}, "not-json"),
        (b"[" * 200_000, {"expect_pointer": "/code"}, "not-json"),
        (PAGE, {"media_types": ["text/csv"]}, "wrong-media-type"),
        (PAGE, {"media_types": ["text/csv", "application/json"]}, None),
    ],
)
async def test_a_good_status_with_a_bad_body_is_a_fault(
    body: bytes, expected: dict[str, object], fault: str | None
) -> None:
    polled = await asked_once(lambda _: [answer(body)], **expected)
    assert (polled.fault, len(polled.bodies)) == (fault, 0 if fault else 1)


@pytest.mark.parametrize(
    ("told", "date", "wait"),
    [
        ("120", None, 120),
        ("99999999999999", None, 86_400),
        ("Fri, 20 Nov 2026 08:02:00 GMT", None, 120),
        # by a clock an hour slow: only the difference counts
        ("Fri, 20 Nov 2026 07:02:00 GMT", "Fri, 20 Nov 2026 07:00:00 GMT", 120),
        ("Fri, 20 Nov 2020 07:02:00 GMT", None, 0),
        ("soon", None, None),
    ],
)
async def test_a_department_may_say_when_to_come_again(
    told: str, date: str | None, wait: float | None
) -> None:
    more = {"date": date} if date else {}
    full = answer(b"", "429 Slow", retry_after=told, **more)
    async with department(lambda _: [full]) as there:
        transport = settings(there.url).open()
        with pytest.raises(FeedFault) as raised:
            await anext(transport.fetch(None, NOW))
        await transport.close()
    assert (raised.value.reason, raised.value.retry_after_s) == ("rate-limited", wait)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"])
async def test_addresses_inside_are_refused_unless_the_feed_says_so(host: str) -> None:
    async with department(lambda _: [answer(PAGE)]) as there:
        there.url = there.url.replace("localhost", host)
        assert (await ask(there, inside=False)).fault == "address-refused"
        assert there.asked == []


@pytest.mark.parametrize(
    ("address", "outside", "inside"),
    [
        ("8.8.8.8", True, True),
        ("10.0.0.1", False, True),
        ("100.64.0.1", False, True),
        ("fd00::1", False, True),
        ("169.254.169.254", False, False),
        ("fe80::1", False, False),
        ("::ffff:169.254.169.254", False, False),
        ("64:ff9b::a00:1", False, True),
        ("2002:7f00:1::", False, True),
        ("0.0.0.0", False, False),
        ("224.0.0.1", False, False),
        ("fe80::1%eth0", False, False),
    ],
)
async def test_which_addresses_are_reached(address: str, outside: bool, inside: bool) -> None:
    for within, reached in ((False, outside), (True, inside)):
        calls = outbound.Outbound(outbound.Endpoint(within_s=1, most_bytes=9, inside=within))
        assert calls._allowed(address) is reached
        await calls.close()


async def test_a_request_is_signed_and_the_department_can_check_it(tmp_path: Path) -> None:
    secret = b"7KQ2M4PDXA9W-7KQ2M4PDXA9W"
    (tmp_path / "key").write_bytes(secret + b"\n")
    how = {"key_id": "hub-1", "key_file": tmp_path / "key", "since_parameter": "from"}
    for algorithm in ("HMAC-SHA256", "HMAC-SM3"):
        async with department(lambda _: [answer(PAGE)]) as there:
            there.url += "?z=1&a=2"
            await ask(there, algorithm=algorithm, **how)
            await ask(there, algorithm=algorithm, **how)
            key = SharedKey("hub-1", secret, request_signatures.Algorithm(algorithm))
            nonces = set[str]()
            for one in there.asked:
                told = {name.title(): value for name, value in one.headers.items()}
                signed = request_signatures.verify([key], "GET", one.target, told, NOW)
                signed.check(b"")
                nonces.add(signed.nonce)
            assert len(nonces) == 2


async def test_a_token_goes_to_its_department_and_nothing_of_ours_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("t0k3n\n")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    cookie = answer(PAGE, set_cookie="session=1")
    async with department(lambda _: [cookie]) as there:
        transport = settings(there.url, token_file=tmp_path / "token").open()
        await poll(transport)
        await poll(transport)
        await transport.close()
        assert {one.headers["authorization"] for one in there.asked} == {"Bearer t0k3n"}
        assert set(there.asked[-1].headers) == {"host", "authorization", "accept-encoding"}
        assert there.asked[0].headers["accept-encoding"] == "identity"


def authority(folder: Path) -> ssl.SSLContext:
    """An authority of the test's own, and a server that asks for a certificate of it."""
    keys, names = {}, {}
    for name in ("ca", "localhost", "us"):
        keys[name] = ec.generate_private_key(ec.SECP256R1())
        names[name] = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    begin = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    for name, key in keys.items():
        built = (
            x509.CertificateBuilder()
            .subject_name(names[name])
            .issuer_name(names["ca"])
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(begin + dt.timedelta(days=9))
            .add_extension(x509.BasicConstraints(ca=name == "ca", path_length=None), True)
            .add_extension(
                x509.SubjectAlternativeName(
                    [x509.DNSName(name), x509.IPAddress(ip_address("127.0.0.2"))]
                ),
                False,
            )
        )
        certificate = built.sign(keys["ca"], hashes.SHA256())
        (folder / f"{name}.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
        (folder / f"{name}.key").write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / "ca.crt"))
    context.load_cert_chain(folder / "localhost.crt", folder / "localhost.key")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


async def test_a_private_authority_and_a_certificate_of_ours(tmp_path: Path) -> None:
    tls = authority(tmp_path)
    ours = {
        "ca_file": tmp_path / "ca.crt",
        "certificate_file": tmp_path / "us.crt",
        "certificate_key_file": tmp_path / "us.key",
    }
    async with department(lambda _: [answer(PAGE)], tls=tls) as there:
        assert (await ask(there, **ours)).bodies == [PAGE]
        assert (await ask(there)).fault == "tls-failed"  # the authority is not ours
        there.url = there.url.replace("localhost", "127.0.0.1")
        assert (await ask(there, **ours)).fault == "tls-failed"  # the name is another
    with pytest.raises(FeedFault, match="certificate-unreadable"):
        settings(there.url, ca_file=tmp_path / "us.key").open()


async def test_nobody_there_and_no_such_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    there = Department(f"http://127.0.0.1:{port}/")
    assert (await ask(there)).fault == "connect-failed"
    there.url = "http://department.invalid/"
    assert (await ask(there)).fault == "name-unknown"


async def test_a_proxy_is_used_where_the_settings_name_one() -> None:
    async with department(lambda _: [answer(PAGE)]) as proxy:
        there = Department("http://department.example/list")
        polled = await ask(there, proxy=proxy.url.removesuffix("/v1/list"))
        assert (polled.bodies, proxy.asked[0].target) == ([PAGE], there.url)


@pytest.mark.parametrize(
    "faulty",
    [
        {"url": "ftp://department.example/"},
        {"url": "https://user:secret@department.example/"},
        {"url": "https://department.example/#part"},
        {"url": "https://department.example:x/"},
        {"url": "https://department.example/ü"},
        {"key_id": "alone"},
        {"certificate_file": "/x"},
        {"cursor_parameter": "after"},
        {"next_header": "x-next"},
        {"expect_value": "0"},
        {"expect_pointer": "code"},
        {"token": "secret"},
        {"token_file": "relative"},
        {"pages": 101},
    ],
)
def test_settings_that_cannot_be_used_are_refused_without_their_values(
    faulty: dict[str, object],
) -> None:
    with pytest.raises(ValidationError) as raised:
        settings(**({"url": "https://department.example/"} | faulty))  # type: ignore[arg-type]
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("held", [None, b"\n", b"x" * 70_000, b"short"])
def test_a_secret_that_cannot_be_read_is_a_fault(tmp_path: Path, held: bytes | None) -> None:
    if held is not None:
        (tmp_path / "key").write_bytes(held)
    with pytest.raises(FeedFault, match="secret-unreadable"):
        settings("http://d.example/", key_id="k", key_file=tmp_path / "key").open()
