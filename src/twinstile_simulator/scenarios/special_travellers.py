"""Who must be seen on any day: a table of special travellers.

A line is a kind of traveller with a script; where many need the same, the script has a name.
"""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta

from twinstile_simulator import documents
from twinstile_simulator.credentials import presentations
from twinstile_simulator.credentials.presentations import (
    CERTIFICATE,
    CredentialCondition,
    Presentation,
)
from twinstile_simulator.protocol import State
from twinstile_simulator.scenarios.scripts import (
    DISPOSITION,
    IDENTIFICATION,
    OVERRIDE,
    DayPeriod,
    DepartmentReport,
    GroupArrival,
    GroupMember,
    Script,
    ScriptAction,
    ScriptDesk,
    ScriptedTraveller,
    TravellerGroup,
    begin_visit,
    by_clock,
    check,
    step,
)

_HOT, _EAR_HOT = ({"value": 38.5, "method": m} for m in ("WALK_THROUGH", "EAR"))
_CHILD = date(2018, 5, 4)
_LOW_RISK: Mapping[str, object] = {
    "credential": {"status": "UNAVAILABLE"},
    "declaration": {"contact": "NO"},
    "itinerary": {"source": "CARD", "areas": [{"code": "3201"}]},
}
_RISK_AREA = {"source": "DECLARATION", "areas": [{"code": documents.RISK_AREA}]}
_LISTED_AREA = {"source": "DECLARATION", "areas": [{"code": documents.LISTED_AREA}]}
_SAMPLED = {"kind": "PCR", "result": "NEGATIVE", "sampled_at": timedelta(hours=-10)}

_CLEARED = check(ScriptDesk.LANE, State.CLEARED)
_RECHECKED = step(ScriptDesk.SECONDARY, "recheck_normal", State.CLEARED)
_SENT_TO_SECONDARY = (check(ScriptDesk.LANE, State.SECONDARY), _RECHECKED)
_ASSISTED = check(
    ScriptDesk.ASSISTED,
    State.CLEARED,
    assistance=True,
    temperature=None,
    credential={"status": "GREEN", "kind": "DECLARATION"},
    declaration={"contact": "NO"},
)
_UNMEASURED = check(ScriptDesk.LANE, State.PRESENTED, temperature=None)


def _refuse(desk: ScriptDesk, alternative: str) -> Script:
    refusal = {"refused": "TEMPERATURE", "alternatives": [alternative], "witness": "desk 4"}
    return (
        check(desk, State.PRESENTED, temperature=None),
        step(desk, "refuse", State.REFUSAL, **refusal),
    )


_REFUSES = _refuse(ScriptDesk.LANE, "OTHER_DEVICE")
_RETURNS = (
    *_REFUSES,
    step(
        ScriptDesk.LANE,
        "return_chosen",
        State.RETURN_PENDING,
        consent=True,
        departure=timedelta(hours=2),
    ),
)
_LAWFUL_ORDER: Mapping[str, object] = {
    "authority": "station police",
    "legal_basis": "CN-IDPCL-39",
    "until": timedelta(hours=2),
}
_CUSTODY = {"authority": "station police", "acknowledgement": "P-9"}
_LAST_SEEN = {"last_lane": "exit-secondary", "last_seen_at": timedelta(0)}
_AT_RISK = {"matched": "AUTHORITY_LIST", "receiver": "district CDC"}
_DISCRETION = {"event": "recheck_normal_conditions", "ground": "RULE_UNFIT"}
_DEFERRED = check(ScriptDesk.LANE, State.DEFERRED, **_LOW_RISK)
_HELD = (
    check(ScriptDesk.LANE, State.SECONDARY, temperature=_HOT),
    check(ScriptDesk.SECONDARY, State.HELD, temperature=_EAR_HOT),
)


def _send_to(code: str) -> ScriptAction:
    return step(ScriptDesk.SECONDARY, DISPOSITION, State.HELD, code=code)


def _transit(departure: timedelta) -> ScriptAction:
    content: Mapping[str, object] = {"departure": departure, "zone": "transit"}
    return step(ScriptDesk.LANE, "transit_declared", State.TRANSIT_HELD, **content)


_SCRIPTS: Mapping[str, Script] = {
    "no phone": (
        check(ScriptDesk.LANE, State.ASSISTED, credential={"status": "NOT_PRESENTED"}),
        _ASSISTED,
    ),
    "crew": (
        check(ScriptDesk.LANE, State.CLEARED, category="CREW", test=_SAMPLED, credential=None),
    ),
    "starred itinerary": (
        check(
            ScriptDesk.LANE,
            State.CLEARED_CONDITIONAL,
            itinerary={"source": "CARD", "starred": True},
        ),
    ),
    "from an area, before noon": (check(ScriptDesk.LANE, State.CLEARED, itinerary=_RISK_AREA),),
    "refused, then consented": (*_REFUSES, _CLEARED),
    "refused, returned": (
        *_RETURNS,
        step(ScriptDesk.LANE, "boarded", State.RETURNED, seen_by="escort 3"),
    ),
    "refused, changed mind": (
        *_RETURNS,
        step(ScriptDesk.LANE, "changed_mind", State.SECONDARY),
        check(ScriptDesk.SECONDARY, State.CLEARED),
    ),
    "refused, under lawful order": (
        *_REFUSES,
        step(ScriptDesk.COMMANDER, "lawful_order", State.SECONDARY, **_LAWFUL_ORDER),
        check(ScriptDesk.SECONDARY, State.CLEARED),
    ),
    "refused, in custody": (
        *_REFUSES,
        step(ScriptDesk.SUPERVISOR, "custody", State.HANDED_OVER, **_CUSTODY),
    ),
    "refused, boarding denied": (
        *_refuse(ScriptDesk.DEPARTURES, "NONE_FITS"),
        step(ScriptDesk.SUPERVISOR, "deny_boarding", State.DENIED, witness="desk 9"),
    ),
    "absconded": (
        check(ScriptDesk.LANE, State.SECONDARY, identity="MISMATCH"),
        step(ScriptDesk.LANE, "absconded", State.ABANDONED, **_LAST_SEEN),
    ),
    "deferred, closed by data": (
        _DEFERRED,
        step(ScriptDesk.EPIDEMIOLOGIST, "matched_clear", State.CLEARED, matched="TEST_RESULT"),
    ),
    "deferred, found at risk": (
        _DEFERRED,
        step(ScriptDesk.EPIDEMIOLOGIST, "matched_risk", State.HANDED_OVER, **_AT_RISK),
    ),
    "came again": (_CLEARED, begin_visit(_CLEARED)),
    "second alarm, one case": (
        *_HELD,
        _send_to("DESIGNATED_HOSPITAL"),
        step(
            ScriptDesk.SECONDARY, "handover_ack", State.HANDED_OVER, receiver="First Hospital"
        ),
        begin_visit(_HELD[0]),
        _HELD[1],
    ),
    "checked in error": (_UNMEASURED, step(ScriptDesk.SUPERVISOR, "void", State.VOID)),
}
"""Those who come alone in the morning, with a resident ID."""
_AFTERNOON: Mapping[str, Script] = {
    "from an area, after noon": (
        check(ScriptDesk.LANE, State.SECONDARY, itinerary=_RISK_AREA),
        _RECHECKED,
    ),
    "from an area, listed by health": (
        check(ScriptDesk.LANE, State.SECONDARY, itinerary=_LISTED_AREA),
        _RECHECKED,
    ),
    "from an area, discretion used": (
        check(ScriptDesk.LANE, State.SECONDARY, itinerary=_RISK_AREA),
        step(ScriptDesk.SUPERVISOR, OVERRIDE, State.CLEARED_CONDITIONAL, **_DISCRETION),
    ),
    "deferred, unresolved": (_DEFERRED, by_clock(State.DEFERRED_UNRESOLVED)),
    "came again, code and reading reused": (
        _CLEARED,
        begin_visit(check(ScriptDesk.LANE, State.CLEARED, temperature=None, credential=None)),
    ),
}
_EXPECTED: Mapping[str, tuple[Script, DayPeriod]] = {
    "transit, boarded": (
        (
            _transit(timedelta(hours=3)),
            step(
                ScriptDesk.LANE, "connection_boarded", State.CLEARED_TRANSIT, seen_by="gate 7"
            ),
        ),
        DayPeriod.MORNING,
    ),
    "transit, chose the exit": (
        (
            _transit(timedelta(hours=3)),
            step(ScriptDesk.LANE, "exit_chosen", State.PRESENTED),
            _CLEARED,
        ),
        DayPeriod.MORNING,
    ),
    "transit, missed": (
        (_transit(timedelta(minutes=5)), by_clock(State.PRESENTED), _CLEARED),
        DayPeriod.AFTERNOON,
    ),
    "entered in error": ((step(ScriptDesk.SUPERVISOR, "void", State.VOID),), DayPeriod.MORNING),
}
"""On the manifest of a train of their own."""
_REPORTED: Mapping[str, tuple[DepartmentReport, Script, DayPeriod]] = {
    kind: (report, _SENT_TO_SECONDARY if stopped else (_CLEARED,), period)
    for kind, report, stopped, period in (
        ("looked for by the police", DepartmentReport.POLICE_CHECK, True, DayPeriod.MORNING),
        ("to be stopped for the police", DepartmentReport.POLICE_STOP, True, DayPeriod.MORNING),
        ("looked for no more", DepartmentReport.POLICE_LIFTED, False, DayPeriod.MORNING),
        (
            "looked for, told after an outage",
            DepartmentReport.POLICE_LATE,
            True,
            DayPeriod.AFTERNOON,
        ),
        ("document reported lost", DepartmentReport.DOCUMENT_LOST, True, DayPeriod.MORNING),
        ("document found again", DepartmentReport.DOCUMENT_FOUND, False, DayPeriod.MORNING),
        (
            "red to the health department",
            DepartmentReport.HEALTH_RED,
            True,
            DayPeriod.AFTERNOON,
        ),
        (
            "green to the health department",
            DepartmentReport.HEALTH_GREEN,
            False,
            DayPeriod.AFTERNOON,
        ),
        (
            "close contact, says health",
            DepartmentReport.CLOSE_CONTACT,
            True,
            DayPeriod.AFTERNOON,
        ),
    )
}
_FAMILY = (
    GroupMember((_CLEARED,), role="GUARDIAN"),
    GroupMember((*_HELD, _send_to("FEVER_CLINIC")), documents.child_id, _CHILD, "MINOR"),
    GroupMember(_SENT_TO_SECONDARY, role="MEMBER"),
)
_PUPIL = GroupMember(
    (check(ScriptDesk.LANE, State.CLEARED, credential=None),),
    documents.child_id,
    _CHILD,
    "MINOR",
)
_INFANT = check(
    ScriptDesk.LANE, State.CLEARED, category="INFANT", identity=None, credential=None
)
_UNCONSCIOUS = check(
    ScriptDesk.LANE,
    State.HELD,
    emergency="UNCONSCIOUS",
    temperature=None,
    credential=None,
    identity=None,
)
_NAMED_LATER = (
    _UNCONSCIOUS,
    _send_to("EMERGENCY_CARE"),
    step(ScriptDesk.SECONDARY, IDENTIFICATION, State.HELD, how="PAPERS_FOUND"),
)


def _groups() -> Iterator[TravellerGroup]:
    for kind, papers in documents.GUEST_PAPERS.items():
        yield TravellerGroup(kind, (GroupMember((_CLEARED,), papers),), looked_up=True)
    for period, table in ((DayPeriod.MORNING, _SCRIPTS), (DayPeriod.AFTERNOON, _AFTERNOON)):
        for kind, script in table.items():
            yield TravellerGroup(kind, (GroupMember(script),), period=period)
    for kind, (script, period) in _EXPECTED.items():
        yield TravellerGroup(kind, (GroupMember(script),), period=period, expected=True)
    for kind, (report, script, period) in _REPORTED.items():
        yield TravellerGroup(kind, (GroupMember(script),), period=period, report=report)
    yield TravellerGroup("family, one member ill", _FAMILY)
    pupils = (GroupMember((_CLEARED,), role="GUARDIAN"), *[_PUPIL] * 12)
    yield TravellerGroup("school class", pupils, batched=True)
    yield TravellerGroup("infant", (GroupMember((_INFANT,), documents.no_papers),))
    patient = GroupMember(_NAMED_LATER)
    yield TravellerGroup("unconscious, named later", (patient,), looked_up=True)
    for period, presented in (
        (DayPeriod.BEFORE_OPENING, presentations.BEFORE_OPENING),
        (DayPeriod.MORNING, presentations.MORNING),
        (DayPeriod.AFTERNOON, presentations.AFTERNOON),
        (DayPeriod.PROVIDER_OUTAGE, presentations.PROVIDER_OUTAGE),
        (DayPeriod.AFTER_OUTAGE, presentations.AFTER_OUTAGE),
    ):
        for one in presented:
            yield _present(one, period)


_STATES = {"GREEN": State.CLEARED, "NOT_FOUND": State.ASSISTED}
_REST: Mapping[State, Script] = {
    State.CLEARED: (),
    State.ASSISTED: (_ASSISTED,),
    State.SECONDARY: (_RECHECKED,),
}


def _present(one: Presentation, period: DayPeriod) -> TravellerGroup:
    """Somebody who presents a credential, with the way it leads to."""
    certificate = one.source == CERTIFICATE
    kind = "CERTIFICATE" if certificate else "HEALTH_CODE"
    state = _STATES.get(one.status, State.SECONDARY)
    credential = {"status": "PENDING", "kind": kind}
    script = (
        check(ScriptDesk.LANE, state, credential=credential, presented=one),
        *_REST[state],
    )
    papers, name = (
        (documents.eriksson, "Eriksson, Anna") if certificate else (documents.guest_id, "张伟")
    )
    often = one.how is CredentialCondition.VALID and not period.under_new_policy
    return TravellerGroup(
        f"showing {one.source}" if certificate else f"showing a code of {one.source}",
        (GroupMember(script, papers, name=name),),
        per_1000=2.0 if often else 0,
        period=period,
    )


GROUPS: tuple[TravellerGroup, ...] = tuple(_groups())
"""Everybody who must be seen; the names are printed."""


def invite(travellers: int) -> tuple[GroupArrival, ...]:
    """Invite the special travellers of a day of so many travellers."""
    arrivals: list[GroupArrival] = []
    serial = 0
    for group in GROUPS:
        for _ in range(max(1, round(group.per_1000 * travellers / 1000))):
            come: list[ScriptedTraveller] = []
            for one in group.members:
                serial += 1
                come.append(ScriptedTraveller(f"guest-{serial:03d}", one, one.papers(serial)))
            arrivals.append(GroupArrival(group, tuple(come)))
    return tuple(arrivals)
