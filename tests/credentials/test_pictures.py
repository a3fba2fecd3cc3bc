"""Codes on pictures over HTTP: judged as scanned ones are; no picture does harm or is kept."""

import asyncio
import io
import struct
import time
import zlib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import _issuing as made
import httpx2
import people
import pytest
from credential_issuers import CERTIFICATES, begin, listed, scanned
from hubs import Hub
from timing import going_on
from vectors import DATA, needed

from twinstile.credentials.pictures import reading as pictures

ROUTE = "/v1/credentials:verify-picture"
CANARY = "KANARIENVOGEL-AUF-DEM-BILD"

extra = pytest.mark.skipif(
    not pictures.installed(), reason="the extra `images` is not installed: Pillow, zxing-cpp"
)


async def show(
    hub: Hub, picture: bytes, media: str = "image/png", **headers: str
) -> httpx2.Response:
    return await hub.client().post(
        ROUTE, content=picture, headers={"content-type": media, **headers}
    )


def drawn(text: str, kind: str = "QRCode", scale: int = 4) -> Any:
    """A code as printed, dark on white."""
    codes, pil = import_module("zxingcpp"), import_module("PIL.Image")
    made_code = codes.create_barcode(text, getattr(codes.BarcodeFormat, kind))
    view = memoryview(made_code.to_image(scale=scale))
    return pil.frombytes("L", (view.shape[1], view.shape[0]), view.tobytes())


def beside(*parts: Any) -> Any:
    pil = import_module("PIL.Image")
    whole = pil.new("L", (sum(one.width for one in parts), max(p.height for p in parts)), 255)
    left = 0
    for one in parts:
        whole.paste(one, (left, 0))
        left += one.width
    return whole


def saved(picture: Any, form: str = "PNG", **more: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **more)
    return out.getvalue()


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """As few bytes as it takes to claim a size."""
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    parts = [(b"IHDR", head), *chunks, (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def white(width: int, height: int) -> bytes:
    row = b"\0" + b"\xff" * ((width + 7) // 8)
    return png(width, height, (b"IDAT", zlib.compress(row * height, 9)))


async def test_a_service_without_the_extra_says_so(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "NEEDED", ("PIL", "no_such_library"))
    refused = await show(hub, white(8, 8))
    assert (refused.status_code, refused.json()["type"]) == (501, "/problems/pictures-not-read")
    assert refused.json()["retryable"] is False


async def test_only_pictures_are_taken_and_no_more_than_a_telephone_makes(hub: Hub) -> None:
    for media in ("application/json", "image/gif", "image/svg+xml", "", "text/plain"):
        assert (await show(hub, b"{}", media)).status_code == 415
    assert (await show(hub, b"x", **{"content-encoding": "gzip"})).status_code == 415
    assert await announced(hub, (6 << 20) + 1) == 413


async def announced(hub: Hub, size: int) -> int:
    """The status of the answer to a head alone."""
    host, _, port = hub.service.base_url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = [f"POST {ROUTE} HTTP/1.1", f"Host: {host}", "Content-Type: image/png"]
    lines += [f"Content-Length: {size}", f"Authorization: Bearer {hub.tokens['screener']}"]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    status = (await reader.readline()).split()[1]
    writer.close()
    return int(status)


@extra
@pytest.mark.parametrize(
    ("form", "more"),
    [("PNG", {}), ("JPEG", {"quality": 60}), ("WEBP", {"quality": 60}), ("WEBP", {})],
)
async def test_a_code_on_a_picture_is_judged_and_green_for_nobody(
    hub: Hub, form: str, more: dict[str, object]
) -> None:
    await begin(hub, 1, listed(CERTIFICATES[0]))
    text = scanned(0)
    answer = await show(hub, saved(drawn(text), form, **more), f"image/{form.lower()}")
    (code,) = answer.json()["codes"]
    assert code["scanned"] == text
    found = code["assessment"]
    assert (found["scheme"], found["authenticity"]) == ("EU_DCC", "YES")
    assert (found["subject_match"], found["colour"]) == ("NOT_CHECKED", "UNKNOWN")
    body = people.check(credential={"status": "PENDING"}, scanned={"text": code["scanned"]})
    check = await hub.client().put(f"/v1/checks/{people.new_id()}", json=body)
    assert check.json()["credential"]["authenticity"] == "YES", check.text


@extra
async def test_codes_are_found_however_they_lie(hub: Hub) -> None:
    code, other = drawn("HC1:ONE"), drawn("HC1:TWO", "Aztec")
    pil = import_module("PIL.Image")
    bare = pil.new("RGBA", code.size, (0, 0, 0, 0))
    bare.paste((0, 0, 0, 255), mask=code.point(lambda grey: 255 - grey))
    for picture in (
        code.rotate(90),
        code.rotate(17, expand=True, fillcolor=255),
        code.convert("P"),
        bare,
    ):
        told = (await show(hub, saved(picture))).json()["codes"]
        assert [one["scanned"] for one in told] == ["HC1:ONE"]
    both = (await show(hub, saved(beside(code, other, code)))).json()["codes"]
    assert {one["scanned"] for one in both} == {"HC1:ONE", "HC1:TWO"}
    assert {one["assessment"]["scheme"] for one in both} == {"HCERT"}
    assert (await show(hub, white(300, 300))).json() == {"codes": []}


@extra
async def test_the_codes_of_one_card_are_one(hub: Hub) -> None:
    digits = made.numeric(made.jws(made.key())).removeprefix("shc:/")
    half = len(digits) // 4 * 2
    parts = [f"shc:/1/2/{digits[:half]}", f"shc:/2/2/{digits[half:]}"]
    picture = beside(*(drawn(part) for part in parts), drawn("HC1:ONE"))
    told = (await show(hub, saved(picture))).json()["codes"]
    assert {one["assessment"]["scheme"] for one in told} == {"SHC", "HCERT"}
    (card,) = (one["scanned"] for one in told if one["scanned"].startswith("shc"))
    again = await hub.client().post("/v1/credentials:verify", json={"text": card})
    assert again.json()["scheme"] == "SHC"


@extra
@needed
async def test_the_pictures_of_issuers_are_read(hub: Hub) -> None:
    paths = list((DATA / "eu-dcc/images").iterdir())
    assert len(paths) > 3
    for path in paths:
        (code,) = (await show(hub, path.read_bytes())).json()["codes"]
        assert code["scanned"].startswith("HC1:"), path
        assert code["assessment"]["scheme"] == "HCERT"


def hostile() -> dict[str, tuple[bytes, str]]:
    whole = saved(drawn("HC1:ONE"))
    photograph = saved(drawn("HC1:ONE"), "JPEG")
    blank = import_module("PIL.Image").new("L", (4100, 4100))
    bomb = zlib.compress(b"\0" * (64 << 20), 1)
    return {
        "nothing": (b"", "damaged"),
        "no picture": (b"HC1:ONE" * 1000, "damaged"),
        "another format": (saved(drawn("HC1:ONE"), "GIF"), "damaged"),
        "half a PNG": (whole[: len(whole) // 2], "damaged"),
        "half a JPEG": (photograph[: len(photograph) // 2], "damaged"),
        "half a WebP": (saved(drawn("HC1:ONE"), "WEBP")[:-40], "damaged"),
        "more than memory": (png(2**31 - 1, 2**31 - 1), "too-large"),
        "too many pixels": (white(16_000, 1001), "too-large"),
        "a large WebP": (saved(blank, "WEBP", method=0), "too-large"),
        "a bomb of words": (png(8, 8, (b"zTXt", b"a\0\0" + bomb)), "damaged"),
        "many codes": (
            saved(beside(*(drawn(f"HC1:{n}") for n in range(5)))),
            "too-many-codes",
        ),
    }


@extra
async def test_no_picture_takes_more_than_its_share(hub: Hub) -> None:
    for name, (picture, reason) in hostile().items():
        begun = time.monotonic()
        answer = await show(hub, picture)
        assert time.monotonic() - begun < pictures.MOST_WAIT_S + pictures.WITHIN_S, name
        assert answer.status_code == 422, name
        problem = answer.json()
        assert problem["type"] == "/problems/picture-unreadable"
        assert problem["errors"] == [{"pointer": "", "code": reason}], name
        assert problem["detail"] == pictures.REASONS[reason]


@extra
async def test_what_lies_behind_the_last_row_is_not_unpacked(hub: Hub) -> None:
    picture = png(8, 8, (b"IDAT", zlib.compress(b"\0" * (64 << 20), 1)))
    assert (await show(hub, picture)).json() == {"codes": []}


@extra
async def test_the_service_goes_on_while_a_picture_is_read(hub: Hub) -> None:
    async with going_on(0.2):
        answer = await show(hub, white(4000, 4000))
    assert answer.json() == {"codes": []}


@extra
async def test_a_reading_ends_in_time_and_waits_in_line(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(pictures, "WITHIN_S", 0.001)
        slow = await show(hub, white(8, 8))
        assert slow.json()["errors"] == [{"pointer": "", "code": "too-slow"}]
    reader = pictures.Reader(asyncio.Semaphore(1))
    monkeypatch.setattr(pictures, "MOST_WAIT_S", 0.01)
    first = asyncio.create_task(reader.read(white(8, 8)))
    await asyncio.sleep(0)
    with pytest.raises(pictures.Busy):
        await reader.read(white(8, 8))
    assert await first == []
    assert await reader.read(white(8, 8)) == []


@extra
async def test_nothing_of_a_picture_is_kept(hub: Hub, logged: Callable[[], str]) -> None:
    picture = saved(drawn(f"HC1:{CANARY}"))
    (code,) = (await show(hub, picture)).json()["codes"]
    assert code["scanned"] == f"HC1:{CANARY}"
    assert (await show(hub, picture[:-200])).status_code == 422
    metrics = (await hub.service.client().get("/metrics")).text
    assert CANARY not in metrics + logged()


@pytest.mark.parametrize("told", ["'[' * 500_000", "[1, 2]", "'\"x\"'", "'null'", "{}"])
@extra
async def test_a_decoder_that_was_taken_over_is_believed_nothing(
    told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lens = tmp_path / "lens.py"
    lens.write_text(f"print({told})", encoding="utf-8")
    monkeypatch.setattr(pictures, "_LENS", str(lens))
    with pytest.raises(pictures.UnreadablePicture):
        await pictures.Reader().read(b"")
