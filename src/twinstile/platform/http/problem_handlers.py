"""From whatever was raised to a problem document; installed on the application once."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.types import Scope

from twinstile.platform.http.problems import (
    FieldFault,
    Gone,
    Internal,
    InvalidInput,
    KeysUnavailable,
    MethodNotAllowed,
    Problem,
    problem_for_status,
)
from twinstile.platform.keys.ciphers import DecryptionFailed
from twinstile.platform.keys.data_keys import KeyDestroyed
from twinstile.platform.keys.master_keys import KeyUnavailable, MasterUnavailable
from twinstile.platform.ops import observability

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
_NO_INTEGER = frozenset({"int_type", "int_from_float", "finite_number"})
_ENDLESS = (math.inf, -math.inf)
"""What the gate makes of an integer with more digits than any field takes."""
_OWN_CODES = frozenset({"invalid-text", "invalid-format", "out-of-range", "missing"})
_FIELD_NAME = re.compile(r"[a-z][a-z_]{0,39}", re.ASCII)
MOST_FAULTS = 20


def faults(errors: Sequence[Mapping[str, object]]) -> list[FieldFault]:
    """Pydantic's findings as pointers and stable words; the input itself is left behind."""
    return [FieldFault(_pointer(error), _code(error)) for error in errors[:MOST_FAULTS]]


def _code(error: Mapping[str, object]) -> str:
    kind = str(error["type"])
    if kind in _NO_INTEGER and error.get("input") in _ENDLESS:
        return "out-of-range"
    # of a length that several constraints limit, Pydantic speaks as of a list
    context = cast("Mapping[str, object]", error.get("ctx", {}))
    if kind in {"too_long", "too_short"} and context.get("field_type") == "Value":
        kind = f"string_{kind}"
    return kind if kind in _OWN_CODES else _CODES.get(kind, "invalid-format")


def _pointer(error: Mapping[str, object]) -> str:
    """Where the fault is (RFC 6901), as far as the names on the way there are ours.

    The name of an unknown member is input: unless it looks like one of a field, the pointer
    ends at the object that holds it.
    """
    way = list(cast("tuple[str | int, ...]", error["loc"]))
    if error["type"] == "extra_forbidden" and not _FIELD_NAME.fullmatch(str(way[-1])):
        way = way[:-1]
    elif way[-1:] == ["[key]"]:
        way = way[:-2]
    return "".join(f"/{part}" for part in way)


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
            observability.log.warning(
                "problem", problem=error.slug, cause=observability.error_kind(error.__cause__)
            )
        return answer(error, request.scope)
    return answer(Internal(), request.scope)


async def _on_invalid(request: Request, error: Exception) -> Response:
    invalid = cast("RequestValidationError", error)
    # each place begins with the part of the request: body, path, query or header
    found: list[dict[str, object]] = [e | {"loc": e["loc"][1:]} for e in invalid.errors()]
    return answer(InvalidInput(errors=faults(found)), request.scope)


def of_http(error: Exception) -> Problem:
    """The problem that stands for what the framework refuses, e.g. an address there is not."""
    plain = cast("HTTPException", error)
    if plain.status_code == MethodNotAllowed.status:
        return MethodNotAllowed(allow=(plain.headers or {}).get("Allow"))
    return problem_for_status(plain.status_code)


async def _on_http(request: Request, error: Exception) -> Response:
    return answer(of_http(error), request.scope)


def of_keys(error: Exception) -> Problem:
    """What is answered where a key is not to be had, or does not open what it should."""
    match error:
        case KeyDestroyed():
            return Gone()
        case DecryptionFailed():
            observability.log.error("what is stored does not open: its key is another one now")
            return Gone()
        case MasterUnavailable():
            observability.log.error("the keeper of the master key does not answer")
            return KeysUnavailable(retry_after_s=5)
        case _:
            observability.log.error("a key cannot be used: damaged, or of another master key")
            return KeysUnavailable(retry_after_s=60)


async def _on_keys(request: Request, error: Exception) -> Response:
    return answer(of_keys(error), request.scope)


async def _on_own_fault(request: Request, error: Exception) -> Response:
    observability.log.error("response does not fit its model", kind=type(error).__name__)
    return answer(Internal(), request.scope)


def install(app: FastAPI) -> None:
    """Let every error of this application leave as a problem document."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(KeyDestroyed, _on_keys)
    app.add_exception_handler(KeyUnavailable, _on_keys)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(ResponseValidationError, _on_own_fault)
