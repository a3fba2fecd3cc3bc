"""What departments and operators are told is what the code takes."""

import re
from pathlib import Path

import pytest

from twinstile.arrivals.feeds import config, faults
from twinstile.arrivals.formats.reasons import Reason
from twinstile.platform import settings, signatures
from twinstile.platform.settings import Profile
from twinstile.platform.signatures import SharedKey

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/feeds.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```toml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
KINDS = {"http", "folder", "sftp", "exchange", "push"}


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_of_a_feed_is_taken(example: str, tmp_path: Path) -> None:
    (tmp_path / "feeds.toml").write_text(example, "utf-8")
    told = settings.load(
        profile=Profile.DEMO, data_dir=tmp_path, database_url=None, feeds_file=None
    )
    (sender,) = config.of(told)
    assert sender.transport.kind in KINDS


def test_there_is_an_example_of_every_transport() -> None:
    assert {kind for one in EXAMPLES for kind in re.findall(r'kind = "(\w+)"', one)} == KINDS


def test_the_signature_that_is_spelled_out_is_the_one_we_take() -> None:
    lines, _, told = PAGE.partition("```text\n")[2].partition("\n\nFeed-Signature: ")
    key = SharedKey("psb-1", b"sixteen bytes or more")
    method, target, digest, stamp, nonce, key_id = lines.split("\n")
    assert signatures.canonical(method, target, digest, stamp, nonce, key_id) == lines
    assert (key.digest(b"a"), key.sign(lines)) == (digest, told[:64])


def test_every_fault_of_a_department_has_words_in_both_languages() -> None:
    """The words are those the transports' sources hold, and no other."""
    folder = ROOT / "src/twinstile"
    sources = [*folder.glob("arrivals/adapters/*.py"), folder / "platform/outbound.py"]
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
        assert faults.said(word) is not faults.UNKNOWN, word
    for said in (*faults.WORDS.values(), *(faults.said(reason) for reason in Reason)):
        assert set(said) == {"en", "zh-CN"}
        assert all(said.values())
