"""What a check says of the party somebody travels with, and is told of it."""

from uuid import UUID

from pydantic import Field

from twinstile.platform.http.field_types import Answer, Body
from twinstile.screening.types import PartyRole


class PartyBody(Body):
    """The party: an id that the first device mints, and what this traveller is in it."""

    id: UUID = Field(examples=["019ac3d2-7f10-7c3e-9d53-2b8a51f0c9e4"])
    role: PartyRole = Field(
        default=PartyRole.MEMBER,
        description="a document that tells of a child under 14 makes a MINOR of a member",
    )


class PartyReport(Answer):
    party_id: UUID
    role: PartyRole = Field(
        description="as recorded: a second guardian is a member until the guardian is changed"
    )
