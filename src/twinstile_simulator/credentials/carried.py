"""Who shows which code: a table of conditions, and what each must lead to.

Certificates are judged by the hub alone and come while the crowd does. A provider has 0.7 s
for its answer, also on a machine that is too busy for that, so its codes are shown before the
gates are opened and after they are closed.
"""

from collections.abc import Iterator, Mapping

from twinstile_simulator.credentials.issuers import SCHEMES
from twinstile_simulator.credentials.providers import PARTNER
from twinstile_simulator.documents import eriksson, guest_id
from twinstile_simulator.guests import Desk, Group, Member, Script, Turn
from twinstile_simulator.moves import S, check, step
from twinstile_simulator.showing import Condition, Showing

NOBODY = "none here"
"""Whose a code is that no provider of the hub knows."""
_GOOD = ("GREEN", "VERIFIED", "GREEN")
_UNREAD = {"INVALID_SIGNATURE", "ISSUER_NOT_TRUSTED", "TERMINATED_KEYS"}
"""Of a certificate that is looked at no further, only its form is known."""
_FORMS: Mapping[str, str] = dict.fromkeys(("EU_DCC", "WHO_DVC", "WHO_DDCC"), "HCERT")

_Row = tuple[Condition, str, str, str]
"""Condition, colour, outcome, status."""
_OF_ALL: tuple[_Row, ...] = (
    (Condition.VALID, *_GOOD),
    (Condition.REVOKED, "RED", "REVOKED", "INVALID"),
    (Condition.ANOTHERS, "RED", "SUBJECT_MISMATCH", "INVALID"),
    (Condition.TAMPERED, "RED", "INVALID_SIGNATURE", "INVALID"),
    (Condition.UNKNOWN_KEY, "UNKNOWN", "ISSUER_NOT_TRUSTED", "UNAVAILABLE"),
)
_ALONE: dict[str, tuple[_Row, ...]] = {
    **dict.fromkeys(SCHEMES, ((Condition.EXPIRED, "YELLOW", "EXPIRED", "EXPIRED"),)),
    "EU_DCC": (
        (Condition.EXPIRED, "YELLOW", "EXPIRED", "EXPIRED"),
        (Condition.NOT_YET_VALID, "YELLOW", "NOT_YET_VALID", "INVALID"),
        (Condition.FOREIGN_USE, "RED", "KEY_USAGE_MISMATCH", "INVALID"),
        (Condition.RULES, "YELLOW", "POLICY_FAILED", "YELLOW"),
        (Condition.TAKEN_BACK, *_GOOD),
    ),
    # it is valid as long as its signer
    "VDS_NC": ((Condition.EXPIRED, "YELLOW", "EXPIRED_KEYS", "EXPIRED"),),
}
_AFTER_NOON: tuple[_Row, ...] = ((Condition.TAKEN_BACK, "RED", "TERMINATED_KEYS", "INVALID"),)
_NO_ANSWER = ("UNKNOWN", "PROVIDER_UNAVAILABLE", "UNAVAILABLE")
_YELLOW: _Row = (Condition.YELLOW, "YELLOW", "PROVIDER_ANSWERED", "YELLOW")
_RED: _Row = (Condition.RED, "RED", "PROVIDER_ANSWERED", "RED")
_ANOTHERS: _Row = (Condition.ANOTHERS, "RED", "SUBJECT_MISMATCH", "INVALID")
_ASKED: dict[str, tuple[_Row, ...]] = {
    "national": (
        (Condition.VALID, *_GOOD),
        _YELLOW,
        _RED,
        _ANOTHERS,
        (Condition.UNMAPPED, *_NO_ANSWER),
    ),
    "province": (
        (Condition.VALID, *_GOOD),
        _RED,
        _ANOTHERS,
        (Condition.EXPIRED, "YELLOW", "PROVIDER_ANSWERED", "EXPIRED"),
        (Condition.A_PAGE, *_NO_ANSWER),
    ),
    "city": (
        (Condition.VALID, *_GOOD),
        _YELLOW,
        _RED,
        (Condition.UNDECIDED, "YELLOW", "PROVIDER_ANSWERED", "UNDER_REVIEW"),
        (Condition.SCREENSHOT, "YELLOW", "PROVIDER_ANSWERED", "STALE"),
        (Condition.HALF_A_NAME, "YELLOW", "SUBJECT_UNCONFIRMED", "UNDER_REVIEW"),
    ),
    PARTNER: (
        (Condition.VALID, *_GOOD),
        _RED,
        _ANOTHERS,
        (Condition.NOBODYS, "UNKNOWN", "NOT_FOUND", "NOT_FOUND"),
        (Condition.FAILING, *_NO_ANSWER),
        (Condition.SILENT, "UNKNOWN", "PROVIDER_TIMEOUT", "UNAVAILABLE"),
    ),
    NOBODY: ((Condition.FOREIGN, "UNKNOWN", "NOT_SUPPORTED", "INVALID"),),
}
_PARTNER_AWAY: tuple[_Row, ...] = ((Condition.AWAY, *_NO_ANSWER),) * 2
_PARTNER_BACK: tuple[_Row, ...] = ((Condition.VALID, *_GOOD),)

PER_1000 = {Condition.VALID: 2.0}
"""How many of 1,000 travellers show a code of that scheme in that condition."""


def _certificate(scheme: str, row: _Row, *, afternoon: bool = False) -> Group:
    how, colour, outcome, status = row
    read = _FORMS.get(scheme, scheme) if outcome in _UNREAD else scheme
    rules = "entry-yellow-fever" if how is Condition.RULES else None
    one = Showing(scheme, how, colour, outcome, status, read, rules=rules)
    member = Member(_script(one, "CERTIFICATE"), eriksson, name="Eriksson, Anna")
    return Group(
        f"showing {scheme}", (member,), per_1000=PER_1000.get(how, 0), afternoon=afternoon
    )


def _code(provider: str, row: _Row, turn: Turn) -> Group:
    known = provider != NOBODY
    name = provider if known else None
    one = Showing(provider, *row, "ONLINE", name)
    member = Member(_script(one, "HEALTH_CODE"), guest_id, name="张伟")
    return Group(
        f"showing a code of {provider}",
        (member,),
        per_1000=PER_1000.get(one.how, 0) if turn is Turn.BEFORE else 0,
        afternoon=turn is not Turn.BEFORE,
        turn=turn,
    )


_LEADS_TO = {
    "GREEN": S.CLEARED,
    "NOT_FOUND": S.ASSISTED,
    "STALE": S.ASSISTED,
}
_AT_DESK = step(Desk.SECONDARY, "recheck_normal", S.CLEARED)
_HELPED = check(
    Desk.ASSISTED,
    S.CLEARED,
    assistance=True,
    temperature=None,
    credential={"status": "GREEN", "kind": "DECLARATION"},
    declaration={"contact": "NO"},
)
_REST = {S.CLEARED: (), S.ASSISTED: (_HELPED,), S.SECONDARY: (_AT_DESK,)}


def _script(one: Showing, kind: str) -> Script:
    state = _LEADS_TO.get(one.status, S.SECONDARY)
    shown = check(Desk.LANE, state, credential={"status": "PENDING", "kind": kind}, shown=one)
    return (shown, *_REST[state])


def _groups() -> Iterator[Group]:
    for scheme in SCHEMES:
        for row in (*_OF_ALL, *_ALONE[scheme]):
            yield _certificate(scheme, row)
    for row in _AFTER_NOON:
        yield _certificate("EU_DCC", row, afternoon=True)
    for provider, rows in _ASKED.items():
        for row in rows:
            yield _code(provider, row, Turn.BEFORE)
    for turn, rows in ((Turn.AWAY, _PARTNER_AWAY), (Turn.AFTER, _PARTNER_BACK)):
        for row in rows:
            yield _code(PARTNER, row, turn)


GROUPS: tuple[Group, ...] = tuple(_groups())
