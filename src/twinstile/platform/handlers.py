"""From whatever was raised to a problem document; installed on the application once."""

from collections.abc import Mapping, Sequence
from typing import cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.types import Scope

from twinstile.platform import observe
from twinstile.platform.crypto import KeyDestroyed
from twinstile.platform.errors import (
    FieldFault,
    Gone,
    Internal,
    InvalidInput,
    MethodNotAllowed,
    Problem,
    problem_for_status,
)

_CODES = {
    "extra_forbidden": "unknown-field",
    "missing": "missing",
    "string_too_long": "too-long",
    "too_long": "too-many",
    "string_too_short": "too-short",
    "too_short": "too-few",
    "string_unicode": "invalid-text",
    "enum": "unknown-value",
    "literal_error": "unknown-value",
    "finite_number": "out-of-range",
    "greater_than": "out-of-range",
    "greater_than_equal": "out-of-range",
    "less_than": "out-of-range",
    "less_than_equal": "out-of-range",
    "int_parsing_size": "out-of-range",
    "multiple_of": "out-of-range",
}
_OWN_CODES = frozenset({"invalid-text", "invalid-format", "out-of-range", "missing"})


def faults(errors: Sequence[Mapping[str, object]]) -> list[FieldFault]:
    """Pydantic's findings as pointers and stable words; the input itself is left behind."""
    found: list[FieldFault] = []
    for error in errors:
        kind = str(error["type"])
        code = kind if kind in _OWN_CODES else _CODES.get(kind, "invalid-format")
        place = [part for part in cast("tuple[str | int, ...]", error["loc"]) if part != "body"]
        found.append(FieldFault("".join(f"/{_escaped(part)}" for part in place), code))
    return found[:20]


def _escaped(part: str | int) -> str:
    """One part of an RFC 6901 pointer; an unknown member's own name may be input, so is cut."""
    return (
        str(part)[:40].encode("ascii", "replace").decode().replace("~", "~0").replace("/", "~1")
    )


def answer(problem: Problem, scope: Scope) -> Response:
    """The problem as a response."""
    document = problem.body(str(scope.get("trace_id", "")))
    return Response(
        document.model_dump_json(),
        status_code=problem.status,
        media_type="application/problem+json",
        headers=problem.headers,
    )


async def _on_problem(request: Request, error: Exception) -> Response:
    if isinstance(error, Problem):
        if error.__cause__ is not None:
            observe.log.warning(
                "problem", problem=error.slug, cause=observe.error_kind(error.__cause__)
            )
        return answer(error, request.scope)
    return answer(Internal(), request.scope)


async def _on_invalid(request: Request, error: Exception) -> Response:
    invalid = cast("RequestValidationError", error)
    return answer(InvalidInput(errors=faults(invalid.errors())), request.scope)


async def _on_http(request: Request, error: Exception) -> Response:
    plain = cast("HTTPException", error)
    if plain.status_code == MethodNotAllowed.status:
        return answer(MethodNotAllowed(allow=(plain.headers or {}).get("Allow")), request.scope)
    return answer(problem_for_status(plain.status_code), request.scope)


async def _on_destroyed(request: Request, _: Exception) -> Response:
    return answer(Gone(), request.scope)


async def _on_own_fault(request: Request, error: Exception) -> Response:
    observe.log.error("response does not fit its model", kind=type(error).__name__)
    return answer(Internal(), request.scope)


def install(app: FastAPI) -> None:
    """Let every error of this application leave as a problem document."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(KeyDestroyed, _on_destroyed)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(ResponseValidationError, _on_own_fault)
