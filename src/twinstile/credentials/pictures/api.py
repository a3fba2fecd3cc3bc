"""HTTP: codes on a picture, where a station has no scanner; forgotten with the request."""

from typing import Annotated, ClassVar, Final, cast

from fastapi import APIRouter, Header, Request
from pydantic import Field

from twinstile.credentials.api import Judging
from twinstile.credentials.bodies import AssessmentAnswer, ScannedBody
from twinstile.credentials.pictures.reading import PicturesNotRead, Reader, UnreadablePicture
from twinstile.platform.http.field_types import Answer
from twinstile.platform.http.problems import TooLarge, UnsupportedMediaType, documented
from twinstile.platform.http.routes import GatedRoute, caller
from twinstile.platform.security.auth import Principal, Scope

MEDIA: Final = ("image/png", "image/jpeg", "image/webp")


class PictureRoute(GatedRoute):
    """A route that takes a photograph."""

    limit: ClassVar[int] = 6 << 20


router = APIRouter(prefix="/v1", route_class=PictureRoute, tags=["credentials"])


class PicturedCodeAnswer(Answer):
    scanned: str = Field(
        repr=False, description="the text of the code, to be verified with a document"
    )
    assessment: AssessmentAnswer


class PictureAnswer(Answer):
    codes: list[PicturedCodeAnswer] = Field(
        description="those on the picture; none: it shows no code"
    )


@router.post(
    "/credentials:verify-picture",
    summary="Verify the credentials on a picture",
    responses=documented(PicturesNotRead, TooLarge, UnreadablePicture, UnsupportedMediaType),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "image/*": {
                    "schema": {"type": "string", "format": "binary"},
                    "example": "the bytes of a PNG, JPEG or WebP",
                }
            },
        },
    },
)
async def verify_picture(
    request: Request,
    judge: Judging,
    who: Annotated[Principal, caller(Scope.CHECKS_WRITE)],
    language: Annotated[str, Header(alias="Accept-Language", max_length=200)] = "en",
) -> PictureAnswer:
    """Read QR and Aztec codes from a picture and judge each, as they are and of whomever.

    Nobody is compared, so nothing is green: send `scanned` with the document of the person to
    `POST /v1/credentials:verify` or with a check. The picture is read in memory, within 4 s, by
    a process of its own that keeps nothing; no part of it is stored or logged.
    """
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    encoded = request.headers.get("content-encoding", "identity").lower() != "identity"
    if media not in MEDIA or encoded:
        raise UnsupportedMediaType("Send a picture as image/png, image/jpeg or image/webp.")
    reader = cast("Reader", request.app.state.pictures)
    codes: list[PicturedCodeAnswer] = []
    for text in await reader.read(await request.body()):
        scanned = ScannedBody(text=text)
        found = await judge.look(scanned, "", None, who)
        told = judge.answer(found, scanned, language)
        codes.append(PicturedCodeAnswer(scanned=text, assessment=told))
    return PictureAnswer(codes=codes)
