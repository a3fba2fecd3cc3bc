"""The list that docs/credentials.md makes by hand, and what it then sends, over HTTP."""

import json
import re
import subprocess
from pathlib import Path

from credential_issuers import CERTIFICATES, begin, decide, listed, put
from hubs import Hub

PAGE = Path("docs/credentials.md").read_text("utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


async def test_the_list_the_page_makes_is_taken_in_and_agreed_on(
    hub: Hub, tmp_path: Path
) -> None:
    (making,) = [one for one in BLOCKS if "> list.json" in one]
    subprocess.run(["bash", "-ec", making], cwd=tmp_path, check=True, timeout=120)  # noqa: ASYNC221
    asked = (await put(hub, 1, json.loads((tmp_path / "list.json").read_bytes()))).json()
    assert (asked["added"], asked["unvouched"], asked["refused"]) == (1, 0, {})
    assert asked["waits_for"] == ["new_authorities", "first"]
    done = await decide(hub, asked["approval"]["approval_id"])
    assert done.status_code == 200, done.text


async def test_the_code_the_page_asks_about_is_answered_as_it_says(hub: Hub) -> None:
    (asking,) = [one for one in BLOCKS if "credentials:verify" in one]
    (body, outcome) = re.findall(r"-d '(.*?)' +# (\w+)$", asking, re.MULTILINE)[0]
    await begin(hub, 1, listed(CERTIFICATES[0]))
    told = await hub.client().post("/v1/credentials:verify", json=json.loads(body))
    assert (told.status_code, told.json()["outcome"]) == (200, outcome)
