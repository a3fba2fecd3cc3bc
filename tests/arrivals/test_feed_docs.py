"""What departments and operators are told is what the code takes."""

import datetime as dt
import json
import re
import subprocess
import tomllib
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from twinstile.arrivals.feeds import config
from twinstile.arrivals.formats import health, police, rail, rows
from twinstile.arrivals.formats.reasons import TEXTS, RejectReason
from twinstile.arrivals.records import (
    ArrivalEvent,
    Delivery,
    HealthStatus,
    IdentityAlert,
    KeyAreaRecord,
    ManifestEnd,
    ManifestRow,
    ReaderContext,
)
from twinstile.platform.http import request_signatures
from twinstile.platform.http.request_signatures import SharedKey
from twinstile.platform.ops import settings
from twinstile.platform.ops.settings import Profile

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/feeds.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```toml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
FORMATS = (ROOT / "docs/formats.md").read_text("utf-8")
TABLES = re.findall(r"^```csv (\w+)\n(.*?)^```", FORMATS, re.DOTALL | re.MULTILINE)
READERS = {"rail": rail, "police": police, "health": health}
NOW = dt.datetime(2026, 11, 28, 2, tzinfo=dt.UTC)
READING = ReaderContext(ZoneInfo("Asia/Shanghai"), NOW.date())
KINDS = {"http", "folder", "sftp", "exchange", "push"}


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_of_a_feed_is_taken(example: str, tmp_path: Path) -> None:
    (tmp_path / "feeds.toml").write_text(example, "utf-8")
    told = settings.load(
        profile=Profile.DEMO, data_dir=tmp_path, database_url=None, feeds_file=None
    )
    (sender,) = config.feed_sources(told)
    assert sender.transport.kind in KINDS


def test_there_is_an_example_of_every_transport() -> None:
    assert {kind for one in EXAMPLES for kind in re.findall(r'kind = "(\w+)"', one)} == KINDS


def test_the_signature_that_is_spelled_out_is_the_one_we_take() -> None:
    lines, _, told = PAGE.partition("```text\n")[2].partition("\n\nFeed-Signature: ")
    key = SharedKey("psb-1", b"sixteen bytes or more")
    method, target, digest, stamp, nonce, key_id = lines.split("\n")
    assert request_signatures.canonical(method, target, digest, stamp, nonce, key_id) == lines
    assert (key.digest(b"a"), key.sign(lines)) == (digest, told[:64])


def test_every_fault_of_a_department_has_words_in_both_languages() -> None:
    """The words are those the transports' sources hold, and no other."""
    folder = ROOT / "src/twinstile"
    sources = [*folder.glob("arrivals/adapters/*.py"), folder / "platform/http/outbound.py"]
    text = "".join(path.read_text() for path in sources)
    raised = set(re.findall(r'(?:FeedFault|Unreadable|CallFault)\(\s*"([a-z-]+)"', text))
    tables = re.findall(r'^    (?:\([\w.]+|[\w.]+), "([a-z-]+)"\)?,$', text, re.MULTILINE)
    tables += re.findall(r'^    [\w.]+: "([a-z-]+)",$', text, re.MULTILINE)
    found = raised | set(tables) | set(re.findall(r'fault = "([a-z-]+)"', text))
    found |= set(re.findall(r'return "([a-z]+-[a-z]+)"', text)) - {"sni-hostname"}
    assert "department-failed" in found
    assert "host-key-refused" in found
    assert "disk-full" in found
    for word in found - {"md5", "sha256", "sm3"}:
        assert word in TEXTS, word
    for said in (*TEXTS.values(), *(TEXTS[reason] for reason in RejectReason)):
        assert set(said) == {"en", "zh-CN"}
        assert all(said.values())


def test_every_table_is_read_as_what_it_is_said_to_be() -> None:
    found: list[list[type[object]]] = [
        [type(one) for one in READERS[name].read(Delivery(body.encode(), NOW), READING)]
        for name, body in TABLES
    ]
    assert found == [
        [ArrivalEvent, ArrivalEvent],
        [ManifestRow, ManifestRow, ManifestEnd],
        [IdentityAlert],
        [HealthStatus],
        [KeyAreaRecord],
    ]


@pytest.mark.parametrize(
    ("title", "name"), [("Rail", "rail"), ("Police", "police"), ("Health", "health")]
)
def test_the_columns_listed_are_those_that_are_read(title: str, name: str) -> None:
    section = FORMATS.partition(f"\n## {title}: ")[2].partition("\n## ")[0]
    table = section.partition("| Holds | Names |\n|---|---|\n")[2].partition("\n\n")[0]
    told = [
        frozenset(map(rows.fold, re.findall("`([^`]+)`", line.split("|")[2])))
        for line in table.splitlines()
    ]
    words = READERS[name].COLUMNS.names
    read = {called for called, word in words.items() if word != rows.PASSED_OVER}
    assert {one for names in told for one in names} == read
    assert all(len({words[one] for one in names}) == 1 for names in told)


def test_the_columns_of_the_exchange_table_make_an_alert() -> None:
    (told,) = [one for one in EXAMPLES if 'kind = "exchange"' in one]
    (feed,) = tomllib.loads(told)["feed"]
    row = {
        "UPDATE_TIME": "2026-11-28T00:00:00+08:00",
        "ALERT_ID": "A-17",
        "OP": "U",
        "ID_TYPE": "PASSPORT",
        "ID_NO": "X1234567",
        "KIND": "close_contact",
        "LEGAL_BASIS": "Article 39",
        "AUTHORITY": "CDC of the district",
        "ACTION": "CHECK",
        "VALID_FROM": "2026-11-28T00:00:00+08:00",
        "VALID_TO": "2026-12-05T00:00:00+08:00",
    }
    exchange = feed["transport"]
    read = [exchange["time_column"], exchange["id_column"], *exchange["columns"]]
    assert read == list(row)
    body = json.dumps(row).encode() + b"\n"
    (alert,) = police.read(Delivery(body, NOW), READING)
    assert isinstance(alert, IdentityAlert)
    assert alert.origin.key == "A-17"


def test_the_delivery_that_is_pushed_from_a_shell_is_signed(tmp_path: Path) -> None:
    script = PAGE.partition("```sh\n")[2].partition("```")[0]
    (tmp_path / "alerts.csv").write_bytes(b"a")
    (tmp_path / "psb-1.key").write_bytes(b"sixteen bytes or more\n")
    shown = 'curl() { printf "%s\\n" "$@"; }\n'
    done = subprocess.run(
        ["/bin/sh", "-euc", shown + script], cwd=tmp_path, capture_output=True, check=True
    )
    lines = done.stdout.decode().splitlines()
    sent = dict(one.split(": ") for one in lines if one.startswith("Feed-"))
    target = lines[-1].removeprefix("https://hub.example")
    key = SharedKey("psb-1", b"sixteen bytes or more")
    now = dt.datetime.now(dt.UTC)
    request_signatures.verify([key], "POST", target, sent, now).check(b"a")
