"""Problems: everything a caller can act on, as RFC 9457 `application/problem+json`.

Beside the standard members every answer carries `stored` (did we keep your data? true, false,
or null: unknown, send the same id again) and `retryable`: all that a tablet needs to decide.
No input value is ever repeated: a mistyped document number must not travel back or into a log.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar

from pydantic import BaseModel, Field
from typing_extensions import override


@dataclass(frozen=True, slots=True)
class FieldFault:
    """Where the input is at fault (RFC 6901 pointer) and a stable word for how."""

    pointer: str
    code: str


class Problem(Exception):
    """Something a caller can act on; subclasses are named for what happened."""

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal"
    title: ClassVar[str] = "The service met an unexpected condition"
    retryable: ClassVar[bool] = False
    stored: ClassVar[bool | None] = False
    document: "ClassVar[type[ProblemBody]]"

    def __init__(
        self,
        detail: str | None = None,
        *,
        errors: Iterable[FieldFault] = (),
        retry_after_s: int | None = None,
        allow: str | None = None,
    ) -> None:
        self.detail = detail or self.title
        self.errors = tuple(errors)
        self.headers: dict[str, str] = {}
        if retry_after_s is not None:
            self.headers["Retry-After"] = str(retry_after_s)
        if allow is not None:
            self.headers["Allow"] = allow
        super().__init__(self.detail)

    def body(self, trace_id: str) -> "ProblemBody":
        """The document to send."""
        return ProblemBody(
            type=f"/problems/{self.slug}",
            title=self.title,
            status=self.status,
            detail=self.detail,
            trace_id=trace_id,
            retryable=self.retryable,
            stored=self.stored,
            errors=[FaultBody(pointer=f.pointer, code=f.code) for f in self.errors],
        )


class FaultBody(BaseModel):
    """One field at fault."""

    pointer: str = Field(description="RFC 6901 JSON Pointer into the request")
    code: str = Field(description="stable word for the fault, e.g. out-of-range")


class ProblemBody(BaseModel):
    """RFC 9457 problem details."""

    type: str = Field(description="stable identifier of the problem, a path")
    title: str
    status: int
    detail: str = Field(description="for people; holds no personal data")
    trace_id: str = Field(description="quote this to the operator")
    retryable: bool = Field(description="whether the same request may succeed later")
    stored: bool | None = Field(
        description="whether the data were kept; null: unknown, send the same id again"
    )
    errors: list[FaultBody]


Problem.document = ProblemBody


class InvalidRequest(Problem):
    status = 400
    slug = "invalid-request"
    title = "The request cannot be read"


class DuplicateKey(InvalidRequest):
    slug = "duplicate-key"
    title = "A JSON object names the same member twice"


class DuplicateParameter(InvalidRequest):
    slug = "duplicate-parameter"
    title = "A query parameter is given twice"


class InvalidEncoding(InvalidRequest):
    slug = "invalid-encoding"
    title = "The body is not UTF-8"


class TooDeep(InvalidRequest):
    slug = "too-deep"
    title = "The JSON is nested too deeply"


class TooManyValues(InvalidRequest):
    slug = "too-many-values"
    title = "The JSON holds more values than any request needs"


class Unauthenticated(Problem):
    status = 401
    slug = "unauthenticated"
    title = "No valid token was given"


class SignInRefused(Unauthenticated):
    slug = "sign-in-refused"
    title = "Login and passcode do not fit"


class EnrolmentRefused(Unauthenticated):
    slug = "enrolment-refused"
    title = "The enrolment code is unknown, used or expired"


class Forbidden(Problem):
    status = 403
    slug = "forbidden"
    title = "This token may not do that"


class PurposeRequired(Forbidden):
    slug = "purpose-required"
    title = "Data about people are shown for a purpose that fits, and none was given"


class SecondPersonRequired(Forbidden):
    """The attempt itself is on the record."""

    slug = "second-person-required"
    title = "This takes a second person, on a second device, whom the first did not let in"
    stored = True


class HubClosed(Forbidden):
    slug = "hub-closed"
    title = "This hub is closed for good: it takes nothing any more"


class NotFound(Problem):
    status = 404
    slug = "not-found"
    title = "There is no such thing here"


class MethodNotAllowed(Problem):
    status = 405
    slug = "method-not-allowed"
    title = "This address does not take that method"


class TooSlow(Problem):
    status = 408
    slug = "too-slow"
    title = "The request did not come within its time"
    retryable = True


class Conflict(Problem):
    status = 409
    slug = "conflict"
    title = "The request does not fit the present state"


class IdReused(Conflict):
    slug = "id-reused"
    title = "This id was used before with other content"


class TooLate(Conflict):
    slug = "too-late"
    title = "That was too long ago to be recorded now"


class OtherHub(Conflict):
    """What the sender holds is to be sent with the token of the hub it was made for."""

    slug = "other-hub"
    title = "This was made for another hub: nothing of it counts here"


class ContentQuarantined(IdReused):
    """The other content waits in quarantine for somebody to look at both."""

    stored = True


class AlreadyExists(Conflict):
    slug = "already-exists"
    title = "Something of that name exists already"


class ApprovalDecided(Conflict):
    slug = "approval-decided"
    title = "Somebody has decided on this already, or it was used"


class ApprovalLapsed(Conflict):
    """Its end is on the record."""

    slug = "approval-lapsed"
    title = "The time of this request is over, or whoever asked has no access any more"
    stored = True


class TransitionRefused(Conflict):
    slug = "transition-refused"
    title = "That step is not possible in the present state"


class Gone(Problem):
    status = 410
    slug = "gone-destroyed"
    title = "These data were destroyed as the law and the policy ask"


class TooLargeBody(ProblemBody):
    """What a sender needs to cut its data into parts that are taken."""

    max_bytes: int = Field(description="the largest body this operation takes")


class TooLarge(Problem):
    status = 413
    slug = "too-large"
    title = "The request is too large"
    document = TooLargeBody

    def __init__(self, max_bytes: int = 1 << 20) -> None:
        super().__init__(f"At most {max_bytes} bytes are taken; send smaller parts.")
        self.max_bytes = max_bytes

    @override
    def body(self, trace_id: str) -> TooLargeBody:
        plain = super().body(trace_id)
        return TooLargeBody(**dict(plain), max_bytes=self.max_bytes)


class UnsupportedMediaType(Problem):
    status = 415
    slug = "unsupported-media-type"
    title = "Send application/json in UTF-8"


class InvalidInput(Problem):
    status = 422
    slug = "invalid-input"
    title = "The input is not valid"


class HeadTooLarge(Problem):
    status = 431
    slug = "head-too-large"
    title = "The head of the request is too large"


class TooMany(Problem):
    status = 429
    slug = "too-many-attempts"
    title = "Too many attempts"
    retryable = True


class LookUpQuota(TooMany):
    slug = "lookup-quota"
    title = "This operator has used up the look-ups of the last minutes or hours"


class Internal(Problem):
    """An error of ours. What was stored is unknown: the same id settles it."""

    stored = None


class Unavailable(Problem):
    """The database did not answer in time. What was stored is unknown until a resend tells."""

    status = 503
    slug = "unavailable"
    title = "The service cannot store data just now"
    retryable = True
    stored = None


class Busy(Unavailable):
    """Others were in the way for too long: nothing of the request was stored."""

    slug = "busy"
    title = "The service has more to do than it can just now"
    stored = False


class Overtaken(Busy):
    """Another request recorded the same meanwhile: perhaps this very fact, sent twice."""

    stored = None


class KeysUnavailable(Unavailable):
    """The keeper of the master key did not answer. What was stored is unknown."""

    slug = "keys-unavailable"
    title = "The keys that protect identities cannot be reached just now"


class StorageFull(Unavailable):
    """The database's disk is full: what was begun is undone. Reading goes on."""

    status = 507
    slug = "storage-full"
    title = "The service has no space left to store data"
    stored = False


def problem_for_status(status: int) -> Problem:
    """The problem that stands for a plain HTTP status of the framework."""
    for kind in (InvalidRequest, Unauthenticated, Forbidden, NotFound, TooLarge, InvalidInput):
        if kind.status == status:
            return kind()
    if status == MethodNotAllowed.status:
        return MethodNotAllowed()
    return Internal() if status >= HTTPStatus.INTERNAL_SERVER_ERROR else InvalidRequest()


def documented(*kinds: type[Problem]) -> dict[int | str, dict[str, object]]:
    """The `responses=` of an operation, one entry a status, each problem as an example."""
    responses: dict[int | str, dict[str, object]] = {}
    for status in sorted({kind.status for kind in kinds}):
        same = [kind for kind in kinds if kind.status == status]
        names = dict.fromkeys(kind.document.__name__ for kind in same)
        schemas = [{"$ref": f"#/components/schemas/{name}"} for name in names]
        examples: Mapping[str, object] = {
            kind.slug: {
                "summary": kind.title,
                "value": kind().body("3f0c9a").model_dump(),
            }
            for kind in same
        }
        responses[status] = {
            "description": "; ".join(dict.fromkeys(kind.title for kind in same)),
            "content": {
                "application/problem+json": {
                    "schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas},
                    "examples": examples,
                }
            },
        }
    return responses
