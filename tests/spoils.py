"""Checks that meet an error of ours, wherever they are recorded."""

from collections.abc import Generator
from contextlib import contextmanager
from uuid import UUID

from twinstile.screening import checks
from twinstile.screening.facts import GateCheck


@contextmanager
def spoiled(check_id: UUID, error: type[BaseException] = ZeroDivisionError) -> Generator[None]:
    """Let every batch fail that holds this check, as a bug of ours would."""
    honest = checks.record

    async def record(
        tx: object, stand: object, batch: list[GateCheck], **more: object
    ) -> object:
        done = await honest(tx, stand, batch, **more)  # type: ignore[arg-type]
        if check_id in {check.id for check in batch}:
            raise error
        return done

    checks.record = record  # type: ignore[assignment]
    try:
        yield
    finally:
        checks.record = honest
