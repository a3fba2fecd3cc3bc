"""Which schema a program may serve: its own, and any newer one that still has room for it.

While a release is rolled out, the database already has the schema of the new release and
processes of the old one still serve. The database says itself whether they may: its floor, in
the row that holds its revision, is the oldest revision whose programs can serve it. A program
that knows the floor may serve; one that does not is too old.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from alembic.config import Config
from alembic.script import ScriptDirectory

PRESENT_SQL = """
SELECT version_num, to_jsonb(alembic_version) ->> 'floor' FROM alembic_version
"""
"""Revision and floor of a database; the floor is null before revision 0006."""


class SchemaCompatibility(StrEnum):
    """A database's schema, seen from a program."""

    OURS = "of this version"
    OLDER = "of an older version"
    NEWER = "of a newer version, which this one may serve"
    TOO_NEW = "of a newer version, which this one cannot serve"

    @property
    def serves(self) -> bool:
        """Whether the program may serve it."""
        return self in {SchemaCompatibility.OURS, SchemaCompatibility.NEWER}


@dataclass(frozen=True, slots=True)
class Revisions:
    """The revisions that a program knows, and the one it was written for."""

    known: frozenset[str]
    head: str | None

    @classmethod
    def of(cls, settings: Config) -> Self:
        """Those of the migration scripts as they lie on disk now."""
        scripts = ScriptDirectory.from_config(settings)
        known = frozenset(script.revision for script in scripts.walk_revisions())
        return cls(known, scripts.get_current_head())

    def judge(self, present: str | None, floor: str | None) -> SchemaCompatibility:
        """How a database of that revision and floor stands; None where it has none yet."""
        if present == self.head:
            return SchemaCompatibility.OURS
        if present is None or present in self.known:
            return SchemaCompatibility.OLDER
        return SchemaCompatibility.NEWER if floor in self.known else SchemaCompatibility.TOO_NEW
