"""The guide for passenger apps: each of its examples is run as it stands."""

import asyncio
import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from hubs import Hub

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "passenger-app.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(), re.DOTALL)


async def run(hub: Hub, *command: str) -> str:
    """What an example says, run by somebody who has nothing but the two addresses."""
    told = {"HUB": hub.service.base_url, "PLACE": hub.hub_id, "PATH": os.environ["PATH"]}
    ran = await asyncio.create_subprocess_exec(
        *command,
        env=told,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(ran.communicate(), 60)
    assert ran.returncode == 0, err.decode()
    return out.decode()


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on the PATH")
async def test_the_first_request_answers_what_the_guide_shows(hub: Hub) -> None:
    (example,), (shown,) = blocks("sh"), blocks("json")
    told = json.loads(await run(hub, "bash", "-euo", "pipefail", "-c", example))
    assert set(told) == set(json.loads(shown))
    assert told["receipt"].startswith(f"tsr.{hub.hub_id}.")


async def test_the_client_of_the_guide_goes_all_the_way(hub: Hub) -> None:
    (client,) = blocks("python")
    said = await run(hub, sys.executable, "-c", client)
    assert re.search(r"^show as a QR code: TWD1[A-Z2-7]{26}$", said, re.MULTILINE)
    assert "revision 2 appeals 1\ncalm False" in said
