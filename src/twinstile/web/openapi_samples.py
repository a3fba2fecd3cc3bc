"""A sample value for a JSON Schema, from the examples its fields carry.

What a schema settles itself (a constant, one of a list, an id) is taken from there; a text
nobody gave an example for is missing, and a reference without examples is a poor one.
"""

from collections.abc import Mapping
from typing import TypeAlias, cast

Schema: TypeAlias = Mapping[str, object]

_BY_FORMAT = {
    "uuid": "019ac3d2-7f10-7c3e-9d53-2b8a51f0c9e4",
    "date": "2026-11-24",
    "date-time": "2026-11-24T08:15:30+08:00",
}


class NoSample(LookupError):
    """A field without an example; the message is its JSON Pointer."""


def sample(schema: Schema, schemas: Mapping[str, Schema], pointer: str = "") -> object:
    """A value the schema accepts. Raises `NoSample`."""
    schema = _resolved(schema, schemas)
    for name in ("examples", "enum"):
        if values := cast("list[object] | None", schema.get(name)):
            return values[0]
    if "const" in schema:
        return schema["const"]
    if "default" in schema and not _has_example(schema, schemas):
        return schema["default"]
    for name in ("anyOf", "oneOf", "allOf"):
        if branches := cast("list[Schema] | None", schema.get(name)):
            return sample(branches[0], schemas, pointer)
    return _by_type(schema, schemas, pointer)


def _resolved(schema: Schema, schemas: Mapping[str, Schema]) -> Schema:
    """The schema behind a `$ref`; what stands beside the reference counts first."""
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return schema
    return {**schemas[reference.rpartition("/")[2]], **schema, "$ref": None}


def _by_type(schema: Schema, schemas: Mapping[str, Schema], pointer: str) -> object:
    match schema.get("type"):
        case "object":
            return _object(schema, schemas, pointer)
        case "array":
            return _array(schema, schemas, pointer)
        case "integer":
            return int(cast("float", schema.get("minimum", 1)))
        case "boolean":
            return False
        case _ if schema.get("format") in _BY_FORMAT:
            return _BY_FORMAT[str(schema["format"])]
        case _:
            raise NoSample(pointer)


def _array(schema: Schema, schemas: Mapping[str, Schema], pointer: str) -> list[object]:
    """As many items as a tuple has, else one."""
    items = cast("list[Schema]", schema.get("prefixItems") or [schema.get("items", {})])
    return [sample(item, schemas, f"{pointer}/{place}") for place, item in enumerate(items)]


def _object(
    schema: Schema, schemas: Mapping[str, Schema], pointer: str
) -> Mapping[str, object]:
    """Every member that must be there, and those that may be and hold a given example."""
    properties = cast("Mapping[str, Schema]", schema.get("properties", {}))
    required = cast("list[str]", schema.get("required", []))
    return {
        name: sample(member, schemas, f"{pointer}/{name}")
        for name, member in properties.items()
        if name in required or _has_example(member, schemas)
    }


def _has_example(schema: Schema, schemas: Mapping[str, Schema]) -> bool:
    schema = _resolved(schema, schemas)
    members = cast("Mapping[str, Schema]", schema.get("properties", {})).values()
    parts = (*cast("list[Schema]", schema.get("anyOf", [])), *members)
    return "examples" in schema or any(_has_example(part, schemas) for part in parts)
