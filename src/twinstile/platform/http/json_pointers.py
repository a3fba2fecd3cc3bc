"""JSON pointers (RFC 6901): where in somebody's answer a thing stands."""

from typing import Annotated, cast

from pydantic import AfterValidator, Field


def at(document: object, pointer: str) -> object:
    """What a pointer leads to; None where there is nothing."""
    for name in _parts(pointer):
        if isinstance(document, dict):
            document = cast("dict[str, object]", document).get(name)
        elif isinstance(document, list) and name.isascii() and name.isdigit():
            items = cast("list[object]", document)
            document = items[int(name[:9])] if int(name[:9]) < len(items) else None
        else:
            return None
    return document


def put(document: object, pointer: str, value: object) -> None:
    """Put a value where a pointer leads to, into an object that is there already."""
    above, _, _ = pointer.rpartition("/")
    holder = at(document, above)
    if isinstance(holder, dict):
        cast("dict[str, object]", holder)[_parts(pointer)[-1]] = value


def _parts(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _pointer(pointer: str) -> str:
    if pointer and not pointer.startswith("/"):
        raise ValueError("a JSON pointer (RFC 6901)")
    return pointer


Pointer = Annotated[str, Field(max_length=200), AfterValidator(_pointer)]
