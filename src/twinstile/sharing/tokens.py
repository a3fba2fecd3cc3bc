"""The token endpoint's words (RFC 6749, sections 2.3.1, 4.4 and 5.2).

Its errors are problems like all others, with the member `error` that RFC 6749 asks for.
"""

import base64
import binascii
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import unquote_plus

from pydantic import Field
from typing_extensions import override

from twinstile.platform.http.json_body import parse_form, require_form
from twinstile.platform.http.problems import InvalidRequest, ProblemBody, Unauthenticated
from twinstile.platform.security.auth import PARTNER_SCOPES

LONGEST = 200


class OAuthProblemBody(ProblemBody):
    """A problem with the code of RFC 6749."""

    error: str = Field(description="RFC 6749, section 5.2")


class TokenRefused(InvalidRequest):
    slug = "token-refused"
    title = "The request for a token cannot be granted"

    def __init__(self, error: str = "invalid_request") -> None:
        super().__init__()
        self.error = error

    @override
    def body(self, trace_id: str) -> OAuthProblemBody:
        return OAuthProblemBody(**dict(super().body(trace_id)), error=self.error)


class InvalidClient(Unauthenticated):
    slug = "invalid-client"
    title = "The client is unknown, or its secret is another"
    error: ClassVar[str] = "invalid_client"

    def __init__(self) -> None:
        super().__init__()
        self.headers["WWW-Authenticate"] = 'Basic realm="twinstile", charset="UTF-8"'

    @override
    def body(self, trace_id: str) -> OAuthProblemBody:
        return OAuthProblemBody(**dict(super().body(trace_id)), error=self.error)


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """Who asks for a token; the secret is never shown."""

    client_id: str
    client_secret: str = field(repr=False)


def read_token_request(
    content_type: str, authorization: str | None, body: bytes
) -> TokenRequest:
    """The credentials of a request for a token, from the form or from HTTP Basic.

    Raises `TokenRefused`, `InvalidClient`, `UnsupportedMediaType`.
    """
    require_form(content_type)
    try:
        form = parse_form(body)
    except InvalidRequest:
        raise TokenRefused from None
    given = _basic(authorization)
    if given is not None and "client_secret" in form:
        raise TokenRefused
    client_id, secret = given or (form.get("client_id", ""), form.get("client_secret", ""))
    if form.get("client_id", client_id) != client_id:
        raise TokenRefused
    grant = form.get("grant_type")
    if grant != "client_credentials":
        raise TokenRefused("invalid_request" if grant is None else "unsupported_grant_type")
    if not set(form.get("scope", "").split()) <= PARTNER_SCOPES:
        raise TokenRefused("invalid_scope")
    if not client_id or not secret or len(client_id) > LONGEST or len(secret) > LONGEST:
        raise InvalidClient
    return TokenRequest(client_id, secret)


def _basic(authorization: str | None) -> tuple[str, str] | None:
    if authorization is None:
        return None
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise InvalidClient
    try:
        plain = base64.b64decode(credentials.strip(), validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        raise InvalidClient from None
    client_id, _, secret = plain.partition(":")
    if "\0" in plain or "%00" in plain:
        raise InvalidClient
    return unquote_plus(client_id), unquote_plus(secret)
