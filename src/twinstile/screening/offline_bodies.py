"""What a device says of the time it worked without the service, in bodies of facts."""

from typing import Annotated

from pydantic import Field, StrictInt

from twinstile.platform.http.field_types import Body, Moment, Slug, Word
from twinstile.screening.types import Verdict

MadeFor = Annotated[
    Slug | None,
    Field(description="the hub_id told at enrolment; refused with another hub's token"),
]
Offset = Annotated[
    Annotated[StrictInt, Field(ge=-(2**31), le=2**31 - 1)] | None,
    Field(
        description="service minus device, as last known when it was made; unless given, as "
        "at sending: wrong if the device's clock was set in between"
    ),
]


class DecidedBody(Body):
    """What the device decided by itself, without the service."""

    verdict: Verdict
    policy_version: Word = Field(examples=["cn-hub-1"])


class ShiftBody(Body):
    """Somebody took over the tablet without a network. Its item's id is the shift's."""

    login: Slug = Field(examples=["li.na"])
    started_at: Moment
    ended_at: Moment | None = Field(default=None, description="twelve hours on unless given")
