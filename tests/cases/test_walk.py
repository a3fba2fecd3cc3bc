"""The case that docs/cases.md follows by hand, line by line, with a shell and curl."""

import asyncio
import re
from pathlib import Path

import fever_cases
from hubs import Hub

from twinstile.platform.security.roles import Role

PAGE = Path("docs/cases.md").read_text("utf-8")


async def test_the_lines_of_the_page_lead_a_medics_case_to_its_end(hub: Hub) -> None:
    (walk,) = re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    case_id = await fever_cases.case_of(hub)
    lines, found = re.subn(r"(?<=^CASE=cases/)[0-9a-f-]+", case_id, walk, flags=re.MULTILINE)
    assert found == 1
    given = {
        "HUB": hub.service.base_url,
        "JSON": "Content-Type: application/json",
        "SHIFT_TOKEN": hub.tokens[Role.MEDIC],
        "PATH": "/usr/bin:/bin",
    }
    shell = await asyncio.create_subprocess_exec(
        "bash", "-euc", lines, env=given, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(shell.communicate(), 120)
    assert (shell.returncode, b'"status":' in said) == (0, False), said
    case = await fever_cases.read(hub, case_id)
    events = [one["event"] for one in case["transitions"]]
    assert events == ["dispose", "dispatched", "admitted", "discharged", "excluded"]
    assert case["state"] == "CLOSED_EXCLUDED"
