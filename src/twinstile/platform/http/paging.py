"""Cursors: where the next page of a list begins, opaque to whoever holds one.

A page begins after a row, named by its moment and id, so that rows which arrive while somebody
turns pages neither repeat nor hide others.
"""

import base64
import binascii
from datetime import datetime
from uuid import UUID

from twinstile.platform.http.field_types import EARLIEST, LATEST
from twinstile.platform.http.problems import FieldFault, InvalidInput

LONGEST = 100
"""Characters; a longer text is no cursor of ours."""


def encode(moment: datetime, row_id: UUID) -> str:
    """The cursor of the page after this row."""
    return base64.urlsafe_b64encode(f"{moment.isoformat()} {row_id}".encode()).decode()


def decode(cursor: str) -> tuple[datetime, UUID]:
    """The row the page begins after. Raises `InvalidInput` for anything we did not make."""
    try:
        moment, _, row_id = base64.urlsafe_b64decode(cursor).decode("ascii").partition(" ")
        after = datetime.fromisoformat(moment), UUID(row_id)
    except (binascii.Error, ValueError) as error:
        raise _not_ours() from error
    if after[0].tzinfo is None or not EARLIEST <= after[0] < LATEST:
        raise _not_ours()
    return after


def _not_ours() -> InvalidInput:
    return InvalidInput(errors=[FieldFault("/cursor", "invalid-format")])
