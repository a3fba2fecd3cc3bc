"""The API's contract: one OpenAPI 3.1 document, complete about problems, rights and examples.

FastAPI describes what it does by itself; here it is told what the house does around it: every
refusal is an RFC 9457 problem, rights are scopes of a token, and every body has an example that
is made from those of its fields.
"""

from collections.abc import Iterator, Mapping
from typing import NotRequired, TypeAlias, TypedDict, cast

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from typing_extensions import override

from twinstile.platform.http.problems import (
    DuplicateKey,
    DuplicateParameter,
    Forbidden,
    InvalidEncoding,
    InvalidInput,
    InvalidRequest,
    Problem,
    ProblemBody,
    StorageFull,
    TooDeep,
    TooLarge,
    TooLargeBody,
    TooManyValues,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
    documented,
)
from twinstile.platform.security.auth import (
    DEVICE_SCOPES,
    PARTNER_SCOPES,
    ROLE_SCOPES,
    TRAVELLER_SCOPES,
)
from twinstile.policy.api import PolicyRefusedBody
from twinstile.web.openapi_samples import NoSample, Schema, sample

TITLE = "twinstile"
VERSION = "1.0.0"
SUMMARY = "Passenger health screening at transport hubs"
DESCRIPTION = """\
A hub screens every arriving traveller after the "222" method: reminded twice, verified twice,
offered service twice; every fever case is followed to its end.

**Tokens.** A device is enrolled once with a code and holds a device token; an operator signs in
on it for a shift and acts with a shift token. Rights are scopes; the hub comes from the token.

**Ids are yours.** A device mints the id of each fact (UUIDv7). The same id with the same
content gets the same answer, so anything whose fate is unknown may be sent again.

**Problems** are RFC 9457 documents. `retryable` says whether to try again, `stored` whether
your data were kept; null means unknown: send the same id again. Values you sent are never
repeated. Any operation may answer 500 with `stored` null: an error of ours. Whatever is no HTTP
(400), too slow (408), too large in its head (431) or one too many (503) ends its connection.

**Answers grow.** New members may appear in answers: ignore what you do not know.
"""
TAGS = {
    "devices": "Tablets, gates and desk computers, and how they are let in and shut out.",
    "lanes": "Queues and the checkpoints they belong to.",
    "operators": "People on duty.",
    "shifts": "Signing in and out on a device.",
    "approvals": "Deeds that take two persons: what waits, and the second person's word.",
    "policies": "The rules the hub decides by, versioned.",
    "alerts": "What somebody must see to, until it was seen to.",
    "arrivals": "Runs and who is expected on them.",
    "feeds": "What departments send, how it does, and what of it was set aside.",
    "parties": "People who travel together, and the guardian of the minors among them.",
    "outage": "Hours without the service: forms keyed in, people counted, tablets alone.",
    "surge": "Surge orders, and people let through unscreened until data settle it.",
    "credentials": "Health codes and certificates as they are scanned, and what is believed.",
    "declarations": "What travellers declare before they come, and their own report.",
    "checks": "What devices observe: one passage of one person past one device each.",
    "screenings": "The passage of a person through the hub, folded from checks.",
    "reminders": "Reminders given before arrival and in the hub.",
    "cases": "Fever cases from first reading to closure.",
    "contacts": "Contacts of a case: who sat near, travelled with or passed the patient.",
    "partners": "Departments' systems, what they may hear of, and their feed of changes.",
    "exports": "Line lists and period reports, pseudonymous.",
    "destructions": "Certificates of keys that were destroyed.",
    "oversight": "Who looked at data about people, and facts kept aside.",
    "operation": "Whether the service lives, can serve and how it does.",
}
PROBLEM_JSON = "application/problem+json"


class Operation(TypedDict):
    """One operation of the document, as far as it is read or changed here."""

    operationId: str
    summary: str
    description: NotRequired[str]
    tags: NotRequired[list[str]]
    security: NotRequired[list[dict[str, list[str]]]]
    parameters: NotRequired[list[dict[str, object]]]
    requestBody: NotRequired[dict[str, dict[str, dict[str, object]]]]
    responses: dict[str, dict[str, object]]


Paths: TypeAlias = Mapping[str, Mapping[str, Operation]]


class Documented(FastAPI):
    """An application whose `/openapi.json` is the contract."""

    @override
    def openapi(self) -> dict[str, object]:
        """The document, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = document(self)
        return self.openapi_schema


def document(app: FastAPI) -> dict[str, object]:
    """The OpenAPI document of an application's routes."""
    made: dict[str, object] = get_openapi(
        title=TITLE,
        version=VERSION,
        summary=SUMMARY,
        description=DESCRIPTION,
        routes=app.routes,
        tags=[{"name": name, "description": text} for name, text in TAGS.items()],
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    components = cast("dict[str, dict[str, Mapping[str, object]]]", made["components"])
    examples = components.setdefault("examples", {})
    schemas = components["schemas"]
    for body in (ProblemBody, TooLargeBody, PolicyRefusedBody):
        problem = body.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= cast("dict[str, Schema]", problem.pop("$defs")) | {body.__name__: problem}
    for path, _, operation in operations(made):
        _drop_empty_rights(operation)
        _add_problems(operation, of_the_house=path.startswith("/v1/"))
        _share_examples(operation, examples)
        _add_rights(operation)
        _add_example(operation, schemas)
    components["schemas"] = _used(made["paths"], schemas)
    return made


def operations(document: Mapping[str, object]) -> Iterator[tuple[str, str, Operation]]:
    """Path, method and operation, in the document's order."""
    for path, methods in cast("Paths", document["paths"]).items():
        for method, operation in methods.items():
            yield path, method, operation


def _drop_empty_rights(operation: Operation) -> None:
    """A token without a scope is looked at, not needed: enrolment works without one."""
    rights = [right for right in operation.get("security", []) if right != {"token": []}]
    if rights:
        operation["security"] = rights
    else:
        operation.pop("security", None)


def _add_problems(operation: Operation, *, of_the_house: bool) -> None:
    """Put what any such operation can refuse beside what it says of itself."""
    responses = operation["responses"]
    if PROBLEM_JSON not in cast(
        "dict[str, object]", responses.get("422", {}).get("content", {})
    ):
        responses.pop("422", None)  # FastAPI's own shape of it
    if not of_the_house:
        return
    for status, response in documented(*_common(operation)).items():
        _merge(responses.setdefault(str(status), {}), response)
    operation["responses"] = dict(sorted(responses.items()))


def _common(operation: Operation) -> Iterator[type[Problem]]:
    yield from (DuplicateParameter, Unavailable, StorageFull)
    rights = operation.get("security", [])
    if rights:
        yield Unauthenticated
    if any(scopes for right in rights for scopes in right.values()):
        yield Forbidden
    if "requestBody" in operation:
        yield from (InvalidRequest, DuplicateKey, InvalidEncoding, TooDeep, TooManyValues)
        yield from (TooLarge, UnsupportedMediaType)
    if "requestBody" in operation or "parameters" in operation:
        yield InvalidInput


def _merge(present: dict[str, object], added: Mapping[str, object]) -> None:
    """One status, several problems: keep every example and every title."""
    titles = [str(part["description"]) for part in (present, added) if "description" in part]
    present["description"] = "; ".join(dict.fromkeys(titles))
    media = cast("dict[str, dict[str, object]]", added["content"])[PROBLEM_JSON]
    content = cast("dict[str, dict[str, object]]", present.setdefault("content", {}))
    mine = content.setdefault(PROBLEM_JSON, {"schema": media["schema"], "examples": {}})
    cast("dict[str, object]", mine["examples"]).update(
        cast("Mapping[str, object]", media["examples"])
    )


def _share_examples(operation: Operation, examples: dict[str, Mapping[str, object]]) -> None:
    """Write each problem's example once, under its slug, and refer to it."""
    for response in operation["responses"].values():
        content = cast("dict[str, dict[str, object]]", response.get("content", {}))
        shown = cast(
            "dict[str, Mapping[str, object]]", content.get(PROBLEM_JSON, {}).get("examples", {})
        )
        for slug, example in shown.items():
            examples[slug] = example
            shown[slug] = {"$ref": f"#/components/examples/{slug}"}


def _add_rights(operation: Operation) -> None:
    """Say in words which scopes are needed and who has them: most viewers hide scopes."""
    scopes = {
        scope
        for right in operation.get("security", [])
        for needed in right.values()
        for scope in needed
    }
    if scopes:
        holders = ["a device"] if scopes <= DEVICE_SCOPES else []
        holders += ["a partner"] if scopes <= PARTNER_SCOPES else []
        holders += ["a traveller"] if scopes <= TRAVELLER_SCOPES else []
        holders += [
            role.replace("_", " ") for role, held in ROLE_SCOPES.items() if scopes <= held
        ]
        names = ", ".join(f"`{scope}`" for scope in sorted(scopes))
        said = f"Needs the scope {names}: {', '.join(holders)}."
        operation["description"] = f"{operation.get('description', '')}\n\n{said}".strip()


def _add_example(operation: Operation, schemas: Mapping[str, Schema]) -> None:
    for media in operation.get("requestBody", {}).get("content", {}).values():
        if "example" in media or "examples" in media:
            continue
        try:
            media["example"] = sample(cast("Schema", media["schema"]), schemas)
        except NoSample as missing:
            media["x-no-example"] = str(missing)


def _used(paths: object, schemas: Mapping[str, Schema]) -> dict[str, Schema]:
    """The schemas that are reached from the paths."""
    reached: set[str] = set()
    waiting = list(_references(paths))
    while waiting:
        name = waiting.pop()
        if name in schemas and name not in reached:
            reached.add(name)
            waiting.extend(_references(schemas[name]))
    return {name: schemas[name] for name in sorted(reached)}


def _references(node: object) -> Iterator[str]:
    match node:
        case {"$ref": str(reference)}:
            yield reference.rpartition("/")[2]
        case dict():
            for member in cast("dict[str, object]", node).values():
                yield from _references(member)
        case list():
            for member in cast("list[object]", node):
                yield from _references(member)
        case _:
            pass


def differences(before: object, after: object, pointer: str = "") -> Iterator[str]:
    """What changed between two documents, one line a place: `+` added, `-` gone, `~` other."""
    match before, after:
        case dict(), dict():
            old, new = cast("dict[str, object]", before), cast("dict[str, object]", after)
            for name in dict.fromkeys((*old, *new)):
                place = f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
                if name not in new:
                    yield f"- {place}"
                elif name not in old:
                    yield f"+ {place}"
                else:
                    yield from differences(old[name], new[name], place)
        case _ if before != after:
            yield f"~ {pointer}"
        case _:
            pass
