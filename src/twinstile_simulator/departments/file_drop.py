"""How a department leaves files: the content first, then a sign that it is whole."""

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class DeliveryFolder:
    """A folder, and what was left in it so far."""

    folder: Path
    marker: str
    """`ok` is empty, `md5` holds the digest."""
    files: int = 0
    duplicates: int = 0
    """Files with the bytes of an earlier one."""
    broken: int = 0
    """Files whose digest is that of something else."""
    _left: set[bytes] = field(default_factory=set[bytes])

    def write_file(self, name: str, content: bytes, *, complete: bool = True) -> None:
        """Write a file, then its marker; one not `whole` has lost its end on the way."""
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        kept = content if complete else content[: len(content) // 2]
        (self.folder / f".{name}").write_bytes(kept)
        (self.folder / f".{name}").rename(self.folder / name)
        sign = digest if self.marker == "md5" else ""
        (self.folder / f"{name}.{self.marker}").write_text(sign)
        self.broken += not complete
        self.duplicates += complete and content in self._left
        self.files += complete and content not in self._left
        self._left.add(content)


def write_table(
    rows: Sequence[Mapping[str, object]], encoding: str, title: str = "", foot: str = ""
) -> bytes:
    """Rows as office programs write them: a title, names of columns, rows, a last line."""
    text = io.StringIO()
    plain = csv.writer(text)
    if title:
        plain.writerow([title])
    writer = csv.DictWriter(text, list(rows[0]), restval="")
    writer.writeheader()
    writer.writerows(rows)
    if foot:
        plain.writerow([foot])
    return text.getvalue().encode(encoding)
