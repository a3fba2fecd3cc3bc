"""Pictures of pages for people to look at, also as those see them who see colours otherwise.

They are left in the folder TWINSTILE_PICTURES, if it is set: `python3 dev.py pictures`.
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from playwright.async_api import Page

DEFICIENCIES: Final = ("protanopia", "deuteranopia", "tritanopia")


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
