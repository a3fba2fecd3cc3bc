"""Who must be seen on any day: the table of guests.

A line is a kind of guest with a script; where many need the same, the script has a name.
"""

from collections.abc import Mapping
from datetime import date, timedelta

from twinstile_simulator import credential_groups, documents
from twinstile_simulator.guests import (
    ARRIVE,
    DISPOSITION,
    NAMING,
    NOTICED,
    OVERRIDE,
    REMIND,
    Desk,
    Group,
    Guest,
    Known,
    Member,
    Move,
    Papers,
    Visit,
    Way,
)
from twinstile_simulator.moves import S, again, by_clock, check, step

_HOT, _EAR_HOT = ({"value": 38.5, "method": m} for m in ("WALK_THROUGH", "EAR"))
_CHILD = date(2018, 5, 4)
_TODAY = timedelta(0)
_LOW_RISK: Mapping[str, object] = {
    "credential": {"status": "UNAVAILABLE"},
    "declaration": {"contact": "NO"},
    "itinerary": {"source": "CARD", "areas": [{"code": "3201"}]},
}
_RISK_AREA = {"source": "DECLARATION", "areas": [{"code": documents.RISK_AREA}]}
_LISTED_AREA = {"source": "DECLARATION", "areas": [{"code": documents.LISTED_AREA}]}
_STARRED = {"source": "CARD", "starred": True}

_PASSES = (check(Desk.LANE, S.CLEARED),)
_REFUSES = (
    check(Desk.LANE, S.PRESENTED, temperature=None),
    step(
        Desk.LANE,
        "refuse",
        S.REFUSAL,
        refused="TEMPERATURE",
        alternatives=["OTHER_DEVICE", "SAME_SEX_STAFF"],
        witness="desk 4",
    ),
)
_RETURNS = (
    *_REFUSES,
    step(
        Desk.LANE,
        "return_chosen",
        S.RETURN_PENDING,
        consent=True,
        departure=timedelta(hours=2),
    ),
)
_DEFERRED = (check(Desk.LANE, S.DEFERRED, **_LOW_RISK),)
_HELD = (
    check(Desk.LANE, S.SECONDARY, temperature=_HOT),
    check(Desk.SECONDARY, S.HELD, temperature=_EAR_HOT),
)
_TO_HOSPITAL = step(Desk.SECONDARY, DISPOSITION, S.HELD, code="DESIGNATED_HOSPITAL")
_HANDED_OVER = step(Desk.SECONDARY, "handover_ack", S.HANDED_OVER, receiver="First Hospital")
_IN_TRANSIT = step(
    Desk.LANE, "transit_declared", S.TRANSIT_HELD, departure=timedelta(hours=3), zone="transit"
)
_SENT_ON = (check(Desk.LANE, S.SECONDARY, identity="MISMATCH"),)
_LOOKED_AT = (
    check(Desk.LANE, S.SECONDARY),
    step(Desk.SECONDARY, "recheck_normal", S.CLEARED),
)


def _one(
    kind: str,
    *script: Move,
    papers: Papers = documents.guest_id,
    afternoon: bool = False,
    expected: bool = False,
    found: bool = False,
    known: Known | None = None,
) -> Group:
    alone = (Member(script, papers),)
    return Group(kind, alone, afternoon=afternoon, expected=expected, found=found, known=known)


def _carrying(kind: str, papers: Papers) -> Group:
    return _one(kind, *_PASSES, papers=papers, found=True)


GROUPS: tuple[Group, ...] = (
    *(_carrying(kind, papers) for kind, papers in documents.GUEST_PAPERS.items()),
    Group(
        "family, one member ill",
        (
            Member(_PASSES, role="GUARDIAN"),
            Member(
                (*_HELD, step(Desk.SECONDARY, DISPOSITION, S.HELD, code="FEVER_CLINIC")),
                documents.child_id,
                _CHILD,
                "MINOR",
            ),
            Member(_LOOKED_AT, role="MEMBER"),
        ),
    ),
    Group(
        "school class",
        (
            Member(_PASSES, role="GUARDIAN"),
            *(
                Member(
                    (check(Desk.LANE, S.CLEARED, credential=None),),
                    documents.child_id,
                    _CHILD,
                    "MINOR",
                )
                for _ in range(12)
            ),
        ),
        way=Way.TOGETHER,
    ),
    _one(
        "crew",
        check(
            Desk.LANE,
            S.CLEARED,
            category="CREW",
            test={"kind": "PCR", "result": "NEGATIVE", "sampled_at": timedelta(hours=-10)},
            credential=None,
        ),
    ),
    _one(
        "infant",
        check(Desk.LANE, S.CLEARED, category="INFANT", identity=None, credential=None),
        papers=documents.no_papers,
    ),
    _one(
        "no phone",
        check(Desk.LANE, S.ASSISTED, credential={"status": "NOT_PRESENTED"}),
        check(
            Desk.ASSISTED,
            S.CLEARED,
            assistance=True,
            temperature=None,
            credential={"status": "GREEN", "kind": "DECLARATION"},
            declaration={"contact": "NO"},
        ),
    ),
    _one("looked for by the police", *_LOOKED_AT, known=Known.CHECKED),
    _one("to be stopped for the police", *_LOOKED_AT, known=Known.STOPPED),
    _one("looked for no more", *_PASSES, known=Known.LIFTED),
    _one("looked for, told after an outage", *_LOOKED_AT, afternoon=True, known=Known.LATE),
    _one("document reported lost", *_LOOKED_AT, known=Known.DOCUMENT_LOST),
    _one("document found again", *_PASSES, known=Known.DOCUMENT_FOUND),
    _one("red to the health department", *_LOOKED_AT, afternoon=True, known=Known.RED),
    _one("green to the health department", *_PASSES, afternoon=True, known=Known.GREEN),
    _one("close contact, says health", *_LOOKED_AT, afternoon=True, known=Known.CONTACT),
    _one("starred itinerary", check(Desk.LANE, S.CLEARED_CONDITIONAL, itinerary=_STARRED)),
    _one("from an area, before noon", check(Desk.LANE, S.CLEARED, itinerary=_RISK_AREA)),
    _one(
        "from an area, after noon",
        check(Desk.LANE, S.SECONDARY, itinerary=_RISK_AREA),
        step(Desk.SECONDARY, "recheck_normal", S.CLEARED),
        afternoon=True,
    ),
    _one(
        "from an area, listed by health",
        check(Desk.LANE, S.SECONDARY, itinerary=_LISTED_AREA),
        step(Desk.SECONDARY, "recheck_normal", S.CLEARED),
        afternoon=True,
    ),
    _one(
        "from an area, discretion used",
        check(Desk.LANE, S.SECONDARY, itinerary=_RISK_AREA),
        step(
            Desk.SUPERVISOR,
            OVERRIDE,
            S.CLEARED_CONDITIONAL,
            event="recheck_normal_conditions",
            ground="RULE_UNFIT",
        ),
        afternoon=True,
    ),
    _one("refused, then consented", *_REFUSES, check(Desk.LANE, S.CLEARED)),
    _one(
        "refused, returned",
        *_RETURNS,
        step(Desk.LANE, "boarded", S.RETURNED, seen_by="escort 3"),
    ),
    _one(
        "refused, changed mind",
        *_RETURNS,
        step(Desk.LANE, "changed_mind", S.SECONDARY),
        check(Desk.SECONDARY, S.CLEARED),
    ),
    _one(
        "refused, under lawful order",
        *_REFUSES,
        step(
            Desk.COMMANDER,
            "lawful_order",
            S.SECONDARY,
            authority="station police",
            legal_basis="CN-IDPCL-39",
            until=timedelta(hours=2),
        ),
        check(Desk.SECONDARY, S.CLEARED),
    ),
    _one(
        "refused, in custody",
        *_REFUSES,
        step(
            Desk.SUPERVISOR,
            "custody",
            S.HANDED_OVER,
            authority="station police",
            acknowledgement="P-9",
        ),
    ),
    _one(
        "refused, boarding denied",
        check(Desk.DEPARTURES, S.PRESENTED, temperature=None),
        step(
            Desk.DEPARTURES,
            "refuse",
            S.REFUSAL,
            refused="TEMPERATURE",
            alternatives=["NONE_FITS"],
            witness="desk 9",
        ),
        step(Desk.SUPERVISOR, "deny_boarding", S.DENIED, witness="desk 9"),
    ),
    _one(
        "absconded",
        *_SENT_ON,
        step(
            Desk.LANE, "absconded", S.ABANDONED, last_lane="exit-secondary", last_seen_at=_TODAY
        ),
    ),
    _one(
        "deferred, closed by data",
        *_DEFERRED,
        step(Desk.EPIDEMIOLOGIST, "matched_clear", S.CLEARED, matched="TEST_RESULT"),
    ),
    _one(
        "deferred, found at risk",
        *_DEFERRED,
        step(
            Desk.EPIDEMIOLOGIST,
            "matched_risk",
            S.HANDED_OVER,
            matched="AUTHORITY_LIST",
            receiver="district CDC",
        ),
    ),
    _one("deferred, unresolved", *_DEFERRED, by_clock(S.DEFERRED_UNRESOLVED), afternoon=True),
    Group(
        "offline over a shift change",
        tuple(Member(_PASSES) for _ in range(6)),
        way=Way.SHIFT_CHANGE,
    ),
    Group(
        "paper form, keyed in later",
        (Member(_PASSES), Member(_PASSES), Member((*_HELD, _TO_HOSPITAL))),
        way=Way.PAPER,
    ),
    _one(
        "unconscious, named later",
        check(
            Desk.LANE,
            S.HELD,
            emergency="UNCONSCIOUS",
            temperature=None,
            credential=None,
            identity=None,
        ),
        step(Desk.SECONDARY, DISPOSITION, S.HELD, code="EMERGENCY_CARE"),
        step(Desk.SECONDARY, NAMING, S.HELD, how="PAPERS_FOUND"),
        found=True,
    ),
    _one("came again", *_PASSES, again(check(Desk.LANE, S.CLEARED))),
    _one(
        "came again, code and reading reused",
        *_PASSES,
        again(check(Desk.LANE, S.CLEARED, temperature=None, credential=None)),
        afternoon=True,
    ),
    _one(
        "second alarm, one case",
        *_HELD,
        _TO_HOSPITAL,
        _HANDED_OVER,
        again(check(Desk.LANE, S.SECONDARY, temperature=_HOT)),
        check(Desk.SECONDARY, S.HELD, temperature=_EAR_HOT),
    ),
    _one(
        "transit, boarded",
        _IN_TRANSIT,
        step(Desk.LANE, "connection_boarded", S.CLEARED_TRANSIT, seen_by="gate 7"),
        expected=True,
    ),
    _one(
        "transit, chose the exit",
        _IN_TRANSIT,
        step(Desk.LANE, "exit_chosen", S.PRESENTED),
        check(Desk.LANE, S.CLEARED),
        expected=True,
    ),
    _one(
        "transit, missed",
        step(
            Desk.LANE,
            "transit_declared",
            S.TRANSIT_HELD,
            departure=timedelta(minutes=5),
            zone="transit",
        ),
        by_clock(S.PRESENTED),
        check(Desk.LANE, S.CLEARED),
        afternoon=True,
        expected=True,
    ),
    Group(
        "reminded by message",
        (
            Member(
                (
                    step(Desk.SUPERVISOR, REMIND, S.EXPECTED, unreachable=0),
                    *_PASSES,
                    step(Desk.SUPERVISOR, NOTICED, S.CLEARED, states=["HANDED", "SENT"]),
                )
            ),
        ),
        afternoon=True,
        expected=True,
        reachable=True,
    ),
    Group(
        "message came too late",
        (
            Member(
                (
                    step(Desk.SUPERVISOR, REMIND, S.EXPECTED, unreachable=0),
                    step(Desk.SUPERVISOR, ARRIVE, S.EXPECTED),
                    *_PASSES,
                    step(Desk.SUPERVISOR, NOTICED, S.CLEARED, states=["FAILED"]),
                )
            ),
        ),
        afternoon=True,
        expected=True,
        early=True,
        reachable=True,
    ),
    _one(
        "no address for a message",
        step(Desk.SUPERVISOR, REMIND, S.EXPECTED, unreachable=1),
        *_PASSES,
        expected=True,
    ),
    _one("entered in error", step(Desk.SUPERVISOR, "void", S.VOID), expected=True),
    _one(
        "checked in error",
        check(Desk.LANE, S.PRESENTED, temperature=None),
        step(Desk.SUPERVISOR, "void", S.VOID),
    ),
    *credential_groups.GROUPS,
)
"""Everybody who must be seen; the names are printed."""


def visits(travellers: int) -> tuple[Visit, ...]:
    """Invite the guests of a day of so many travellers."""
    invited: list[Visit] = []
    serial = 0
    for group in GROUPS:
        for _ in range(max(1, round(group.per_1000 * travellers / 1000))):
            guests: list[Guest] = []
            for one in group.members:
                serial += 1
                papers = one.papers(serial)
                guests.append(
                    Guest(
                        f"guest-{serial:03d}", one.script, papers, one.born, one.role, one.name
                    )
                )
            invited.append(Visit(group, tuple(guests)))
    return tuple(invited)
