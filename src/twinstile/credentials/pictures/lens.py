"""Run as a process of its own: a picture on standard input, the texts of its codes on output.

Decoders of pictures are large, and strangers choose what they read. What they may take is
limited here, before they are loaded, and they inherit no secret and may write no file. Both
libraries are of the extra `images`, and only here.
"""

import io
import json
import resource
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

MOST_MEMORY: Final = 768 << 20  # bytes of address space, the interpreter's included
MOST_CPU_S: Final = 3
MOST_PIXELS: Final = 16_000_000  # more than the photographs of most telephones
FORMATS: Final = ("PNG", "JPEG", "WEBP")


def codes(picture: bytes) -> Sequence[str] | str:
    """The texts of what is found, or why nothing is looked for."""
    pictures, readers = import_module("PIL.Image"), import_module("zxingcpp")
    vars(pictures)["MAX_IMAGE_PIXELS"] = None  # its own bound, of which it warns only
    opened = pictures.open(io.BytesIO(picture), formats=FORMATS)
    if opened.width * opened.height > MOST_PIXELS:
        return "too-large"
    opened.draft("L", opened.size)
    if opened.has_transparency_data:  # a code on no ground is black on white
        drawn = opened.convert("RGBA")
        opened = pictures.new("RGBA", drawn.size, "white")
        opened.alpha_composite(drawn)
    kinds = readers.BarcodeFormat
    found = readers.read_barcodes(
        opened.convert("L"),
        formats=(kinds.QRCode, kinds.Aztec),
        text_mode=readers.TextMode.Plain,
    )
    return tuple(dict.fromkeys(one.text for one in found))


def main() -> None:
    for kind, most in (
        (resource.RLIMIT_AS, MOST_MEMORY),
        (resource.RLIMIT_CPU, MOST_CPU_S),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))
    picture = sys.stdin.buffer.read()
    try:
        told = codes(picture)
    except MemoryError:
        told = "too-large"
    except Exception:  # noqa: BLE001 -- decoders raise anything
        told = "damaged"
    print(json.dumps(told))  # noqa: T201 -- the answer


if __name__ == "__main__":
    main()
