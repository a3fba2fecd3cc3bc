"""How the example of a body is sent, by its media type."""

from base64 import b64decode

from twinstile.platform.http.json_body import FORM

PIXEL = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4"
    "DwABAQEAsTj2FAAAAABJRU5ErkJggg=="
)
"""A white one, as PNG."""


def sent(media: str, example: object) -> dict[str, object]:
    """What the client takes beside method and path."""
    if media == FORM:
        return {"data": example}
    if media == "image/*":
        return {"content": PIXEL, "headers": {"Content-Type": "image/png"}}
    return {"json": example}
