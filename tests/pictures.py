"""Pictures of pages for people to look at, also as those see them who see colours otherwise.

They are left in the folder TWINSTILE_PICTURES, if it is set: `python3 dev.py pictures`. What a
picture shows is measured in its pixels: what the browser made of our colours counts.
"""

import io
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import pytest
from playwright.async_api import Page

DEFICIENCIES: Final = ("protanopia", "deuteranopia", "tritanopia")
Colour: TypeAlias = tuple[int, int, int]
_EDGE: Final = 24
"""Pixels of a panel's frame, which is looked at by nobody here."""
_GROUND: Final = 0.1
"""The least share of a picture that is ground, and not something on it."""
_MARK: Final = 0.003
"""The least share of what is written on it: less is the blur at the edge of letters."""
_COLOURS: Final = 24
"""Of the small pictures that are kept with the documentation."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The colours of a panel."""

    grounds: Sequence[Colour]
    share: Sequence[int]
    text: Colour

    @property
    def luminance(self) -> float:
        """Of the ground, stripes together."""
        weighed = zip(self.grounds, self.share, strict=True)
        return sum(luminance(one) * many for one, many in weighed) / sum(self.share)

    @property
    def legible(self) -> float:
        """The contrast of the text with whichever ground it has the least with."""
        return min(contrast(luminance(self.text), luminance(one)) for one in self.grounds)


def luminance(colour: Colour) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [channel / 255 for channel in colour]
    r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one: float, other: float) -> float:
    """WCAG 2.2, contrast ratio of two luminances."""
    low, high = sorted((one, other))
    return (high + 0.05) / (low + 0.05)


def measured(png: bytes) -> Seen:
    """The ground of a panel and what is written on it, by how much of the picture they fill."""
    image = pytest.importorskip("PIL.Image").open(io.BytesIO(png)).convert("RGB")
    image = image.crop((_EDGE, _EDGE, image.width - _EDGE, image.height - _EDGE))
    counted = sorted(((n, c) for n, c in image.getcolors(1 << 24)), reverse=True)
    whole = image.width * image.height
    grounds = [(n, c) for n, c in counted if n >= whole * _GROUND]
    share, colours = [n for n, _ in grounds], [c for _, c in grounds]
    middle = luminance(colours[0])
    marks = [c for n, c in counted if n >= whole * _MARK]
    text = max(marks, key=lambda c: contrast(luminance(c), middle))
    return Seen(colours, share, text)


@asynccontextmanager
async def seen_with(page: Page, deficiency: str) -> AsyncGenerator[None]:
    """The page as somebody with that deficiency sees it (Chromium's emulation of it)."""
    session = await page.context.new_cdp_session(page)
    await session.send("Emulation.setEmulatedVisionDeficiency", {"type": deficiency})
    try:
        yield
    finally:
        await session.send("Emulation.setEmulatedVisionDeficiency", {"type": "none"})
        await session.detach()


async def take(page: Page, name: str) -> None:
    """Keep four pictures of a state, if anybody asked for them."""
    asked = os.environ.get("TWINSTILE_PICTURES")
    if not asked:
        return
    for deficiency in ("none", *DEFICIENCIES):
        stem = name if deficiency == "none" else f"{name} {deficiency}"
        async with seen_with(page, deficiency):
            path = Path(asked) / f"{stem}.png".replace(" ", "-")
            await page.screenshot(path=path, full_page=True)


def keep_small(png: bytes, name: str) -> None:
    """Keep a picture as the documentation has it: half as wide, in few colours."""
    asked = os.environ.get("TWINSTILE_PICTURES")
    if not asked:
        return
    image = pytest.importorskip("PIL.Image").open(io.BytesIO(png)).convert("RGB")
    small = image.resize((image.width // 2, image.height // 2)).quantize(_COLOURS)
    folder = Path(asked) / "documentation"
    folder.mkdir(parents=True, exist_ok=True)
    small.save(folder / f"{name}.png".replace(" ", "-"), optimize=True)
