"""Every route that takes a body, with a body it would take and what is wrong with others.

The bodies are about a person called CANARY, so that answers and log can be searched for them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

import declared_travellers
import people
import step_bodies
from hostile import (
    CANARY,
    COUNTS,
    DAYS,
    FLAGS,
    IDS,
    MOMENTS,
    NO_BODIES,
    NUMBER,
    NUMBERS,
    SERVICE_DAYS,
    SLUGS,
    TEXTS,
    WORDS,
    Fault,
    at,
)
from people import Json

from twinstile.credentials.trusting.bodies import EXAMPLE
from twinstile.platform.security.roles import Role
from twinstile.policy import documents

DOCUMENT = (
    *at("/name", "/number", of=TEXTS),
    *at("/number", of=(('" "', "invalid-text"), ('"\\u202e\\u200b"', "invalid-text"))),
    Fault("/number", '"' + "\\ufdfa" * 60 + '"', "invalid-text"),
    Fault("/number", f'"{CANARY}\\u0085"', "invalid-text"),
    *at("/birth_date", of=DAYS),
    *at("/kind", of=WORDS),
    Fault("/mrz", f'["P<UTO{CANARY}"]', "missing", ""),
    Fault("", f'{{"kind": "PASSPORT", "mrz": ["{CANARY}", "<<"]}}', "invalid-format", "/mrz"),
    Fault("", '{"kind": "PASSPORT", "mrz": []}', "too-few", "/mrz"),
    Fault("", '{"kind": "PASSPORT", "mrz": ["a\\u0000"]}', "invalid-text", "/mrz/0"),
    Fault("", f'{{"kind": "PASSPORT", "mrz": ["{CANARY * 8}"]}}', "too-long", "/mrz/0"),
    Fault("", '{"kind": "PASSPORT"}', "missing"),
    Fault("", '{"kind": "OTHER", "number": "1", "issuer": " "}', "invalid-text", "/issuer"),
    Fault("/hub_id", '"elsewhere"', "unknown-field"),
)
_TYPE = '{"type": "case.opened", "fields": []}'
_OFFER = '{"kind": "S1", "outcome": "OFFERED"}'
_STAY = '{"code": "61"}'
_COUGH = '"COUGH"'
_MEAL = '"MEAL"'
_FIGURES = tuple(row for row in NUMBERS if row[0] != "null")
_TOKEN = f"hub.{'A' * 22}"
_TOKENS = (
    ('""', "invalid-format"),
    (f'"{CANARY}"', "invalid-format"),
    (f'"hub.{"A" * 21}"', "invalid-format"),
    (f'"hub.{"A" * 200}"', "too-long"),
    (f'"hub.{"A" * 21}\\u0000"', "invalid-format"),
    ("7", "invalid-format"),
)
FACT = (
    *at("/temperature/value", of=NUMBERS),
    *(
        Fault("/temperature/value", raw, "out-of-range", "/temperature")
        for raw in ("3950", "29.94", "45.06", "-1", "1e300", str(2**63), "9" * 300)
    ),
    Fault("/temperature/unit", '"K"', "unknown-value"),
    *at("/temperature/method", of=(*WORDS, ('"\\ud800"', "invalid-text"))),
    *at("/observed_at", of=MOMENTS),
    *(fault.below("/identity/document") for fault in DOCUMENT),
    *at("/identity/result", "/credential/status", of=WORDS),
    *at("/category", "/test/kind", "/itinerary/source", of=WORDS),
    *at("/test/result", "/declaration/contact", of=WORDS),
    *at("/test/sampled_at", of=MOMENTS),
    *at("/itinerary/areas/0/left_on", of=SERVICE_DAYS),
    *(
        Fault("/itinerary/areas/0/code", raw, "invalid-format")
        for raw in ('"6"', '"610"', '"6101130045"', '"CN"', '"CHN"', '"\u0661\u0661"', "61")
    ),
    Fault("/itinerary/areas", f"[{', '.join([_STAY] * 17)}]", "too-many"),
    Fault("/declaration/symptoms", f"[{', '.join([_COUGH] * 17)}]", "too-many"),
    Fault("/declaration/symptoms", f'["{CANARY}"]', "unknown-value", "/declaration/symptoms/0"),
    *at("/itinerary/starred", "/declaration/fever_medicine", of=FLAGS),
    *at("/test", "/itinerary", "/declaration", of=((f'"{CANARY}"', "invalid-format"),)),
    *at("/screening_id", "/run_id", of=IDS),
    *at("/lane_id", of=SLUGS),
    Fault(
        "/decided",
        '{"verdict": "GREEN", "policy_version": "x"}',
        "unknown-value",
        "/decided/verdict",
    ),
    Fault("/decided", '{"verdict": "PASS"}', "missing", "/decided/policy_version"),
    Fault("/decided", "[]", "invalid-format"),
    *at("/illness", "/assistance", "/offline", of=(*FLAGS, ("null", "invalid-format"))),
    *at("/party/id", of=IDS),
    *at("/party/role", "/emergency", of=WORDS),
    Fault("/party/size", "61", "unknown-field"),
    Fault("/party", "{}", "missing", "/party/id"),
    Fault("/reminders", '["R2", "R2", "R2"]', "too-many"),
    Fault("/reminders", f'["{CANARY}"]', "unknown-value", "/reminders/0"),
    Fault("/reminders", '"R2"', "invalid-format"),
    Fault("/services", f"[{', '.join([_OFFER] * 9)}]", "too-many"),
    *at("/temperature", "/identity", "/credential", of=((f'"{CANARY}"', "invalid-format"),)),
    *at("/role", "/temperature/role", of=(('"admin"', "unknown-field"),)),
    Fault(f"/{CANARY}", "1", "unknown-field", ""),
    Fault(f"/{NUMBER}", "1", "unknown-field", ""),
    Fault("/temperature/\u5f20\u4f1f", "1", "unknown-field", "/temperature"),
    Fault("/a\0b", "1", "unknown-field", ""),
    Fault("/\ud800", "1", "invalid-text", ""),
    *at("", of=NO_BODIES),
)


SCANNED = (
    *at("/channel", of=WORDS),
    Fault("/text", '""', "too-short"),
    Fault("/text", f'"{CANARY * 600}"', "too-long"),
    Fault("/text", f'"{CANARY}\\u0000"', "invalid-text"),
    Fault("/text", f'"{CANARY}\\nx"', "invalid-text"),
    Fault("/text", '"\\ud800"', "invalid-text"),
    Fault("/text", f'["{CANARY}"]', "invalid-format"),
    Fault("/rules", f'"{CANARY}"', "unknown-value"),
    Fault("/image", f'"{CANARY}"', "unknown-field"),
)

ANSWERS = (
    *at("/contact", of=WORDS),
    *at("/fever_medicine", "/help", of=FLAGS),
    Fault("/symptoms", f"[{', '.join([_COUGH] * 17)}]", "too-many"),
    Fault("/symptoms", f'["{CANARY}"]', "unknown-value", "/symptoms/0"),
    Fault("/language", f'"{CANARY}-{CANARY}"', "invalid-format"),
)
TEXT = (
    Fault("/text", '""', "too-short"),
    Fault("/text", f'"{CANARY * 80}"', "too-long"),
    Fault("/text", f'"{CANARY}\\u0000"', "invalid-text"),
    Fault("/text", '"\\ud800"', "invalid-text"),
)


def fact() -> Json:
    """A check of the canary."""
    return people.fact(identity=_identity(), party=_party(), **_claims())


def check() -> Json:
    """The same as sent by itself."""
    scanned = {"text": CANARY, "channel": "WEDGE"}
    return people.check(identity=_identity(), party=_party(), scanned=scanned, **_claims())


def _claims() -> Json:
    return {
        "category": "TRAVELLER",
        "test": {"kind": "PCR", "result": "NEGATIVE", "sampled_at": people.now()},
        "itinerary": {"source": "CARD", "areas": [{"code": "610113"}]},
        "declaration": {"symptoms": [], "contact": "NO"},
    }


def _party() -> Json:
    return {"id": str(people.new_id()), "role": "GUARDIAN"}


def _identity() -> Json:
    return {"document": people.document(NUMBER, name=CANARY), "result": "MATCH"}


def _run() -> Json:
    day = people.now()
    parts = {"mode": "RAIL", "service_no": "G1", "service_date": day[:10]}
    return {**parts, "origin": "A", "terminus": "B", "scheduled_arrival": day}


def _manifest() -> Json:
    entries = [
        {
            "entry_id": entry_id,
            "document": people.document(NUMBER, name=CANARY),
            "contact": {"channel": "PHONE", "value": "+8613900000000", "owner": "SELF"},
            "languages": ["en"],
        }
        for entry_id in ("1", "2")
    ]
    return {"batch": 1, "entries": entries}


@dataclass(frozen=True, slots=True)
class Target:
    """A route that takes a body: who may call it, a body that is right, and faults in it."""

    method: str
    path: str
    who: str | None
    body: Callable[[], Json]
    faults: tuple[Fault, ...] = field(repr=False)

    def __str__(self) -> str:
        return f"{self.method} {self.path.replace(str(_SOME), 'id')}"


_SOME = UUID("0193a6e0-0000-7000-8000-00000000000a")
_PLACE = f'{{"run_id": "{_SOME}"}}'
_CHECKPOINTS = ['"north"'] * 21
_RUNS = [f'"{_SOME}"'] * 51
TARGETS = (
    Target(
        "PUT",
        f"/v1/checks/{_SOME}",
        Role.SCREENER,
        check,
        (
            *FACT,
            *(fault.below("/scanned") for fault in SCANNED),
            *at("/counter", of=(*COUNTS, ("0", "out-of-range"))),
            *at("/sent_at", of=MOMENTS),
            *at("/made_for", of=SLUGS),
        ),
    ),
    Target(
        "POST",
        "/v1/facts:batch",
        "device",
        lambda: {"sent_at": people.now(), "items": []},
        (
            *at("/sent_at", of=MOMENTS),
            *at("/made_for", of=SLUGS),
            *at("/items", of=((f'"{CANARY}"', "invalid-format"), ("{}", "invalid-format"))),
            Fault("/items", "[]", "too-few"),
            Fault("/items", f"[{'{},' * 9_999}{{}}]", "too-many"),
            Fault("/items", f"[{'1,' * 500}1]", "too-many"),
            *at("", of=NO_BODIES),
        ),
    ),
    Target(
        "PUT",
        f"/v1/runs/{_SOME}",
        Role.SUPERVISOR,
        _run,
        (
            *at("/mode", of=WORDS),
            *at("/service_no", "/origin", "/terminus", "/platform", of=TEXTS),
            *at("/service_date", of=SERVICE_DAYS),
            *at("/scheduled_arrival", "/estimated_arrival", "/actual_arrival", of=MOMENTS),
            Fault("/closed_at", "null", "unknown-field"),
        ),
    ),
    Target(
        "PUT",
        f"/v1/runs/{_SOME}/manifest",
        Role.SUPERVISOR,
        _manifest,
        (
            *at("/batch", of=COUNTS),
            *(fault.below("/entries/1/document") for fault in DOCUMENT),
            *at("/entries/1/entry_id", "/entries/0/coach", "/entries/0/seat", of=TEXTS),
            *at("/entries/0/board_stop", "/entries/0/alight_stop", of=TEXTS),
            *at("/entries/1/contact/value", of=TEXTS),
            *at("/entries/1/contact/channel", "/entries/1/contact/owner", of=WORDS),
            Fault(
                "/entries/1/contact/value",
                f'"{CANARY}"',
                "invalid-format",
            ),
            Fault("/entries/1/contact/verified", "true", "unknown-field"),
            Fault("/entries/0/languages", '["en", "en", "en", "en", "en"]', "too-many"),
            *(
                Fault("/entries/0/languages", f"[{raw}]", code, "/entries/0/languages/0")
                for raw, code in SLUGS
            ),
            Fault("/entries/1/entry_id", '"1"', "duplicate-entry", "/entries"),
            Fault("/entries", f"[{'{},' * 2500}{{}}]", "too-many"),
            Fault("/entries/0", f'"{CANARY}"', "invalid-format"),
            Fault(f"/entries/0/{CANARY}", "1", "unknown-field", "/entries/0"),
        ),
    ),
    Target(
        "PUT",
        f"/v1/reminders/{_SOME}",
        Role.ASSISTANT,
        lambda: {
            "kind": "R2",
            "checkpoint": "north",
            "channel": "screen",
            "language": "zh-CN",
            "given_at": people.now(),
        },
        (
            *at("/kind", of=WORDS),
            *at("/run_id", of=IDS),
            *at("/checkpoint", of=SLUGS),
            *at("/channel", "/language", of=TEXTS),
            *at("/given_at", of=MOMENTS),
            *at("/until", of=MOMENTS),
            Fault("/until", '"2099-01-01T00:00:00Z"', "out-of-range"),
            Fault("/until", '"2001-01-01T00:00:00Z"', "out-of-range"),
            Fault("/kind", '"R1"', "missing", "/run_id"),
            Fault("/checkpoint", "null", "missing"),
            Fault("/run_id", f'"{_SOME}"', "missing", "/checkpoint"),
        ),
    ),
    Target(
        "PUT",
        f"/v1/runs/{_SOME}/notices/{_SOME}",
        Role.SUPERVISOR,
        lambda: {"kind": "R1", "entry_id": "1"},
        (
            *at("/kind", of=(*WORDS, ('"R2"', "unknown-value"))),
            *at("/entry_id", of=TEXTS),
            Fault("/text", f'"{CANARY}"', "unknown-field"),
        ),
    ),
    Target(
        "PUT",
        f"/v1/notices/{_SOME}/receipt",
        Role.ASSISTANT,
        lambda: {"said_by": "STAFF"},
        (*at("/said_by", of=WORDS), Fault("/state", '"RECEIVED"', "unknown-field")),
    ),
    Target(
        "PUT",
        f"/v1/screenings/{_SOME}/steps/{_SOME}",
        Role.MEDIC,
        lambda: step_bodies.body("refuse", reason=CANARY),
        (
            *at("/event", of=WORDS),
            *at("/at", of=MOMENTS),
            *at("/reason", "/particulars/witness", of=TEXTS),
            *at("/particulars/refused", of=WORDS),
            Fault(
                "/particulars/alternatives",
                f'["{CANARY}"]',
                "unknown-value",
                "/particulars/alternatives/0",
            ),
            Fault("/particulars/name", '"x"', "unknown-field"),
            Fault("/state", '"CLEARED"', "unknown-field"),
        ),
    ),
    Target(
        "PUT",
        f"/v1/runs/{_SOME}/steps/{_SOME}",
        Role.SUPERVISOR,
        lambda: step_bodies.body("void", reason=CANARY, entry_id=CANARY),
        (
            *at("/event", of=WORDS),
            *at("/at", of=MOMENTS),
            *at("/reason", "/entry_id", of=TEXTS),
            Fault("/event", '"present"', "unknown-value"),
            Fault("/screening_id", f'"{_SOME}"', "unknown-field"),
        ),
    ),
    Target(
        "POST",
        f"/v1/runs/{_SOME}:bypass",
        Role.SUPERVISOR,
        lambda: {"reason": CANARY},
        (*at("/reason", of=TEXTS), Fault("/fuse_id", f'"{_SOME}"', "unknown-field")),
    ),
    Target(
        "PUT",
        f"/v1/fuses/{_SOME}",
        Role.DUTY_COMMANDER,
        lambda: {"checkpoints": ["north"], "runs": [str(_SOME)], "reason": CANARY},
        (
            *at("/reason", of=TEXTS),
            *at("/checkpoints/0", of=SLUGS),
            *at("/runs/0", of=IDS),
            Fault("/checkpoints", f"[{', '.join(_CHECKPOINTS)}]", "too-many"),
            Fault("/runs", f"[{', '.join(_RUNS)}]", "too-many"),
            Fault("", '{"reason": "x"}', "missing", "/checkpoints"),
            Fault("/until", '"2026-11-25T00:00:00Z"', "unknown-field"),
        ),
    ),
    Target(
        "PUT",
        f"/v1/fuses/{_SOME}/end",
        Role.SUPERVISOR,
        lambda: {"reason": CANARY},
        (*at("/reason", of=TEXTS), Fault("/until", '"x"', "unknown-field")),
    ),
    Target(
        "PUT",
        f"/v1/cases/{_SOME}/suspicions/{_SOME}",
        Role.MEDIC,
        lambda: {
            "within": "TWO_HOURS",
            "case_class": "SUSPECTED",
            "disease": "0202",
            "suspected_at": people.now(),
        },
        (
            *at("/within", "/case_class", of=WORDS),
            *at("/disease", of=SLUGS),
            *at("/suspected_at", of=MOMENTS),
            Fault("/suspected_at", '"2098-01-01T00:00:00Z"', "out-of-range"),
            Fault("/due_at", f'"{people.now()}"', "unknown-field"),
        ),
    ),
    Target(
        "PUT",
        f"/v1/suspicions/{_SOME}/filing",
        Role.MEDIC,
        lambda: {"filed_at": people.now(), "reference": CANARY},
        (*at("/filed_at", of=MOMENTS), *at("/reference", of=TEXTS)),
    ),
    Target(
        "POST",
        f"/v1/cases/{_SOME}/report-card:reveal",
        Role.MEDIC,
        lambda: {"purpose": "LEGAL_DUTY", "reason": CANARY},
        (*at("/purpose", of=WORDS), *at("/reason", of=TEXTS)),
    ),
    Target(
        "PUT",
        f"/v1/deferrals/{_SOME}/destination",
        Role.EPIDEMIOLOGIST,
        lambda: {"area": "330106"},
        (
            *(
                Fault("/area", raw, "invalid-format")
                for raw in ('"3"', '"0330106"', '"Hangzhou"', "330106", "null", f'"{CANARY}"')
            ),
            Fault("/due_at", f'"{people.now()}"', "unknown-field"),
        ),
    ),
    Target(
        "POST",
        f"/v1/deferrals/{_SOME}/person:reveal",
        Role.EPIDEMIOLOGIST,
        lambda: {"purpose": "FOLLOW_UP", "reason": CANARY},
        (*at("/purpose", of=WORDS), *at("/reason", of=TEXTS)),
    ),
    Target(
        "POST",
        f"/v1/runs/{_SOME}/outstanding:reveal",
        Role.SUPERVISOR,
        lambda: {"entry_id": CANARY, "purpose": "FOLLOW_UP", "reason": CANARY},
        (*at("/purpose", of=WORDS), *at("/reason", "/entry_id", of=TEXTS)),
    ),
    Target(
        "PUT",
        f"/v1/alerts/{_SOME}/closure",
        Role.SUPERVISOR,
        lambda: {"reason": CANARY},
        (*at("/reason", of=TEXTS), Fault("/kind", '"OVERDUE"', "unknown-field")),
    ),
    Target(
        "PUT",
        f"/v1/cases/{_SOME}/dispositions/{_SOME}",
        Role.MEDIC,
        lambda: {
            "code": "FEVER_CLINIC",
            "receiver": CANARY,
            "decided_at": people.now(),
            "particulars": {"travel": "ALONE"},
        },
        (
            *at("/code", of=WORDS),
            *at("/receiver", "/reason", of=TEXTS),
            *at("/consent", of=FLAGS),
            *at("/decided_at", of=MOMENTS),
            Fault("/receiver", "null", "missing"),
            *at("/particulars/travel", of=WORDS),
            *at("/particulars/facility_id", of=SLUGS),
            *at("/particulars/beyond_capacity", of=FLAGS),
            Fault("/particulars", "{}", "missing", "/particulars/travel"),
            Fault("/particulars/finding", '"NOT_INFECTIOUS"', "unknown-field"),
            Fault("/particulars/name", f'"{CANARY}"', "unknown-field"),
        ),
    ),
    Target(
        "PUT",
        f"/v1/cases/{_SOME}/dispositions/{_SOME}/acknowledgements/{_SOME}",
        Role.MEDIC,
        lambda: {"reply": "DECLINED", "reason": CANARY, "said_at": people.now()},
        (
            *at("/reply", of=WORDS),
            *at("/reason", "/reference", of=TEXTS),
            *at("/said_at", of=MOMENTS),
            Fault("/reason", "null", "missing"),
        ),
    ),
    Target(
        "PUT",
        f"/v1/cases/{_SOME}/origin-notices/{_SOME}",
        Role.MEDIC,
        lambda: {
            "office": "Quzhou command",
            "by": "TELEPHONE",
            "reference": CANARY,
            "told_at": people.now(),
        },
        (
            *at("/by", of=WORDS),
            *at("/office", "/reference", of=TEXTS),
            *at("/told_at", of=MOMENTS),
        ),
    ),
    Target(
        "PUT",
        f"/v1/cases/{_SOME}/assessments/{_SOME}",
        Role.MEDIC,
        lambda: {"severity": "MILD", "reason": CANARY, "assessed_at": people.now()},
        (
            *at("/severity", of=WORDS),
            *at("/reason", of=TEXTS),
            *at("/onset_on", of=SERVICE_DAYS),
            *at("/assessed_at", of=MOMENTS),
            Fault("/symptoms", f'["{CANARY}"]', "unknown-value", "/symptoms/0"),
            Fault("/symptoms", f"[{', '.join([_COUGH] * 17)}]", "too-many"),
        ),
    ),
    Target(
        "PUT",
        f"/v1/cases/{_SOME}/stays/{_SOME}",
        Role.MEDIC,
        lambda: {"room_id": "holding-1", "entered_at": people.now()},
        (
            *at("/room_id", of=SLUGS),
            *at("/entered_at", of=MOMENTS),
            *at("/beyond_capacity", of=FLAGS),
        ),
    ),
    Target(
        "PUT",
        f"/v1/cases/{_SOME}/care/{_SOME}",
        Role.MEDIC,
        lambda: {"given": ["WATER"], "note": CANARY, "given_at": people.now()},
        (
            Fault("/given", f'["{CANARY}"]', "unknown-value", "/given/0"),
            Fault("/given", "[]", "too-few"),
            Fault("/given", f"[{', '.join([_MEAL] * 10)}]", "too-many"),
            *at("/temperature_c", of=_FIGURES),
            *at("/note", of=TEXTS),
            *at("/given_at", of=MOMENTS),
        ),
    ),
    Target(
        "PUT",
        f"/v1/cases/{_SOME}/legs/{_SOME}",
        Role.MEDIC,
        lambda: {
            "receiver": CANARY,
            "vehicle": "AMBULANCE",
            "departed_at": people.now(),
            "expected_at": people.ago(minutes=-30),
        },
        (
            *at("/receiver", "/vehicle_no", "/reason", of=TEXTS),
            *at("/facility_id", of=SLUGS),
            *at("/vehicle", of=WORDS),
            *at("/beyond_capacity", of=FLAGS),
            *at("/departed_at", "/expected_at", of=MOMENTS),
            Fault("/expected_at", '"2001-01-01T00:00:00Z"', "out-of-range"),
            Fault("/expected_at", '"2099-01-01T00:00:00Z"', "out-of-range"),
            Fault("/crew", f"[{', '.join([_MEAL] * 9)}]", "too-many"),
            Fault("/crew", f'["{CANARY * 8}"]', "too-long", "/crew/0"),
        ),
    ),
    Target(
        "PUT",
        f"/v1/cases/{_SOME}/legs/{_SOME}/receipts/{_SOME}",
        Role.MEDIC,
        lambda: {
            "answer": "REFUSED",
            "signed_by": "ward 3",
            "reason": CANARY,
            "said_at": people.now(),
        },
        (
            *at("/answer", of=WORDS),
            *at("/signed_by", "/reason", of=TEXTS),
            *at("/said_at", of=MOMENTS),
            Fault("/reason", "null", "missing"),
        ),
    ),
    Target(
        "POST",
        "/v1/handovers:read",
        None,
        lambda: {"token": _TOKEN},
        (*at("/token", of=_TOKENS), Fault("/case_id", f'"{_SOME}"', "unknown-field")),
    ),
    Target(
        "POST",
        "/v1/handovers:answer",
        None,
        lambda: {
            "token": _TOKEN,
            "receipt_id": str(_SOME),
            "answer": "HERE",
            "signed_by": CANARY,
            "said_at": people.now(),
        },
        (
            *at("/token", of=_TOKENS),
            *at("/receipt_id", of=IDS),
            *at("/answer", of=WORDS),
            *at("/signed_by", "/reason", of=TEXTS),
            *at("/said_at", of=MOMENTS),
        ),
    ),
    Target(
        "PUT",
        f"/v1/follow-ups/{_SOME}/attempts/{_SOME}",
        Role.MEDIC,
        lambda: {
            "by": "TELEPHONE",
            "outcome": "REACHED",
            "note": CANARY,
            "said_at": people.now(),
        },
        (
            *at("/by", "/outcome", "/result", of=WORDS),
            *at("/note", of=TEXTS),
            *at("/said_at", of=MOMENTS),
            *at("/temperature_c", of=_FIGURES),
            Fault("/symptoms", f'["{CANARY}"]', "unknown-value", "/symptoms/0"),
        ),
    ),
    Target(
        "PUT",
        f"/v1/follow-ups/{_SOME}/assignment",
        Role.EPIDEMIOLOGIST,
        lambda: {"operator_id": None},
        (*at("/operator_id", of=IDS), Fault("/name", '"x"', "unknown-field")),
    ),
    Target(
        "POST",
        "/v1/self-reports",
        None,
        lambda: {"token": _TOKEN, "report_id": str(_SOME), "said_at": people.now()},
        (
            *at("/token", of=_TOKENS),
            *at("/report_id", of=IDS),
            *at("/said_at", of=MOMENTS),
            *at("/temperature_c", of=_FIGURES),
            Fault("/symptoms", f'["{CANARY}"]', "unknown-value", "/symptoms/0"),
            Fault("/name", f'"{CANARY}"', "unknown-field"),
        ),
    ),
    Target(
        "PUT",
        "/v1/rooms/holding-1",
        Role.SUPERVISOR,
        lambda: {"name": CANARY, "kind": "HOLDING", "capacity": 4},
        (
            *at("/name", of=TEXTS),
            *at("/kind", of=WORDS),
            Fault("/capacity", "0", "out-of-range"),
            Fault("/capacity", "1001", "out-of-range"),
            Fault("/care_minutes", "4", "out-of-range"),
        ),
    ),
    Target(
        "PUT",
        "/v1/facilities/first-hospital",
        Role.SUPERVISOR,
        lambda: {"name": CANARY, "kind": "HOSPITAL"},
        (
            *at("/name", of=TEXTS),
            *at("/kind", of=WORDS),
            Fault("/capacity", "0", "out-of-range"),
            Fault("/capacity", "1001", "out-of-range"),
        ),
    ),
    Target(
        "POST",
        f"/v1/cases/{_SOME}/transitions",
        Role.MEDIC,
        lambda: {"id": str(_SOME), "event": "admitted", "at": people.now(), "reason": CANARY},
        (
            *at("/id", of=IDS),
            *at("/event", of=WORDS),
            *at("/at", of=MOMENTS),
            *at("/reason", of=TEXTS),
        ),
    ),
    Target(
        "PUT",
        f"/v1/cases/{_SOME}/contact-lists/{_SOME}",
        Role.EPIDEMIOLOGIST,
        lambda: {"conveyance": "TRAIN", "places": [{"run_id": str(_SOME), "seat": CANARY}]},
        (
            *at("/conveyance", of=WORDS),
            *at("/places/0/run_id", of=IDS),
            *at("/places/0/coach", "/places/0/seat", "/places/0/board_stop", of=TEXTS),
            Fault("/places", f"[{', '.join([_PLACE] * 5)}]", "too-many"),
            Fault("/person_id", f'"{_SOME}"', "unknown-field"),
        ),
    ),
    Target(
        "POST",
        f"/v1/contact-lists/{_SOME}/contacts/1/person:reveal",
        Role.EPIDEMIOLOGIST,
        lambda: {"purpose": "FOLLOW_UP", "reason": CANARY},
        (*at("/purpose", of=WORDS), *at("/reason", of=TEXTS)),
    ),
    Target(
        "POST",
        "/v1/exports/contacts",
        Role.EPIDEMIOLOGIST,
        lambda: {
            "id": str(_SOME),
            "list_id": str(_SOME),
            "purpose": "INVESTIGATION",
            "recipient": CANARY,
            "reason": CANARY,
        },
        (
            *at("/id", "/list_id", of=IDS),
            *at("/close_only", of=FLAGS),
            *at("/purpose", of=WORDS),
            *at("/recipient", "/reason", of=TEXTS),
        ),
    ),
    Target(
        "POST",
        f"/v1/cases/{_SOME}/person:reveal",
        Role.MEDIC,
        lambda: {"purpose": "TREATMENT", "reason": CANARY},
        (
            *at("/purpose", of=WORDS),
            *at("/reason", of=TEXTS),
            Fault("/case_id", f'"{_SOME}"', "unknown-field"),
        ),
    ),
    Target(
        "PUT",
        f"/v1/cases/{_SOME}/identifications/{_SOME}",
        Role.MEDIC,
        lambda: {"document": people.document(NUMBER), "how": "RELATIVE"},
        (
            *at("/how", of=WORDS),
            *(fault.below("/document") for fault in DOCUMENT),
            Fault("/person_id", f'"{_SOME}"', "unknown-field"),
        ),
    ),
    Target(
        "PUT",
        f"/v1/parties/{_SOME}/guardians/{_SOME}",
        Role.ASSISTANT,
        lambda: {"screening_id": str(_SOME), "at": people.now(), "reason": CANARY},
        (
            *at("/screening_id", of=IDS),
            *at("/at", of=MOMENTS),
            *at("/reason", of=TEXTS),
        ),
    ),
    Target(
        "POST",
        "/v1/lookups",
        Role.ASSISTANT,
        lambda: {"document": people.document(NUMBER), "purpose": "IDENTIFICATION"},
        (
            *at("/purpose", of=WORDS),
            *at("/reason", of=TEXTS),
            *(fault.below("/document") for fault in DOCUMENT),
            Fault("/name", '"x"', "unknown-field"),
            Fault("/document", "null", "invalid-format"),
            *at("", of=NO_BODIES),
        ),
    ),
    Target(
        "PUT",
        f"/v1/approvals/{_SOME}/decision",
        Role.SUPERVISOR,
        lambda: {"verdict": "REFUSED", "reason": CANARY},
        (
            *at("/verdict", of=(*WORDS, ('"EXPIRED"', "unknown-value"))),
            *at("/reason", of=TEXTS),
            Fault("/decided_by", f'"{_SOME}"', "unknown-field"),
        ),
    ),
    Target(
        "PUT",
        "/v1/policies/other-1",
        Role.SUPERVISOR,
        lambda: {
            "document": {**documents.pack("cn-hub"), "title": {"en": CANARY, "zh-CN": CANARY}}
        },
        (
            *at(
                "/document/title/en",
                of=(
                    (f'"{CANARY}\\u0000"', "invalid-text"),
                    (f'"{CANARY}\\ud800"', "invalid-text"),
                    ("1e400", "out-of-range"),
                    (str(2**63), "out-of-range"),
                ),
                said_at="/document",
            ),
            *(
                Fault(f"/document{place}", raw, "no-policy", "/document")
                for place, raw in (
                    ("/policy", f'"{CANARY} "'),
                    ("/parameters/threshold_tenths", "500"),
                    ("/parameters", "null"),
                    ("/rules", "[]"),
                    ("/rules/0/when", f'{{"{CANARY}": 1}}'),
                    ("/rules/0/outcome", f'"{CANARY}"'),
                    (f"/{CANARY}", "1"),
                )
            ),
            *at("/document", of=(('"x"', "invalid-format"), ("null", "invalid-format"))),
            Fault("/effective_from", '"2026-11-24T00:00:00Z"', "unknown-field"),
        ),
    ),
    Target(
        "PUT",
        "/v1/trust-lists/1",
        Role.SUPERVISOR,
        lambda: {
            "issued_at": people.ago(hours=1),
            "not_after": "2099-01-01T00:00:00Z",
            "entries": [{"domain": "VDS_NC", "certificate": EXAMPLE}],
            "reason": CANARY,
        },
        (
            *at("/issued_at", "/not_after", of=MOMENTS),
            *at("/reason", of=TEXTS),
            *at("/entries/0/domain", of=WORDS),
            Fault("/entries", "[]", "too-few"),
            Fault("/entries/0/certificate", f'"{CANARY}!"', "invalid-format"),
            Fault("/entries/0/jwk", "[]", "invalid-format"),
            Fault("/issued_at", '"2098-01-01T00:00:00Z"', "out-of-range"),
            Fault("/not_after", '"2026-01-01T00:00:00Z"', "out-of-range"),
            Fault("/version", "2", "unknown-field"),
            *at("", of=NO_BODIES),
        ),
    ),
    Target(
        "POST",
        "/v1/credentials:verify",
        Role.SCREENER,
        lambda: {
            "text": CANARY,
            "channel": "WEDGE",
            "document": people.document(NUMBER, name=CANARY),
        },
        (*SCANNED, *(fault.below("/document") for fault in DOCUMENT), *at("", of=NO_BODIES)),
    ),
    Target(
        "POST",
        "/v1/entry-rules/entry-de/judgements",
        Role.SCREENER,
        lambda: {"payload": {"nam": {"fn": CANARY}, "v": [{"dt": NUMBER}]}},
        (
            *at("/at", of=MOMENTS),
            *at("/payload/nam/fn", of=(('"\\ud800"', "invalid-text"),), said_at="/payload"),
            *at("/payload", of=((f'"{CANARY}"', "invalid-format"), ("null", "invalid-format"))),
            Fault("/payload/v", f'["{CANARY * 200}"]', "too-long", "/payload"),
            Fault("/payload/v", f"[{', '.join(['1'] * 600)}]", "too-many", "/payload"),
            Fault("/external", "{}", "unknown-field"),
            *at("", of=NO_BODIES),
        ),
    ),
    Target(
        "POST",
        f"/v1/policies/{documents.pack('cn-hub')['version']}/activations",
        Role.DUTY_COMMANDER,
        lambda: {"id": str(_SOME), "reason": CANARY},
        (
            *at("/id", of=IDS),
            *at("/reason", of=TEXTS),
            *at("/effective_from", of=MOMENTS),
            *(
                Fault("/effective_from", f'"{people.ago(days=days)}"', "out-of-range")
                for days in (1, -31)
            ),
            Fault("/version", '"cn-hub-2"', "unknown-field"),
        ),
    ),
    Target(
        "PUT",
        f"/v1/links/{_SOME}",
        Role.ASSISTANT,
        lambda: {
            "document": people.document(NUMBER),
            "other": people.document(NUMBER, kind="PASSPORT"),
            "evidence": "BOTH_DOCUMENTS_SHOWN",
            "purpose": "IDENTIFICATION",
            "reason": "both shown",
        },
        (
            *at("/purpose", "/evidence", of=WORDS),
            *at("/reason", of=TEXTS),
            *(fault.below("/document") for fault in DOCUMENT),
            *(fault.below("/other") for fault in DOCUMENT),
            Fault("/other", "null", "invalid-format"),
            Fault("/evidence", '"RENEWED_PASSPORT"', "unfit-evidence"),
            *at("", of=NO_BODIES),
        ),
    ),
    Target(
        "PUT",
        f"/v1/links/{_SOME}/withdrawal",
        Role.SUPERVISOR,
        lambda: {"reason": CANARY},
        (*at("/reason", of=TEXTS), Fault("/link_id", '"x"', "unknown-field")),
    ),
    Target(
        "POST",
        f"/v1/screenings/{_SOME}/overrides",
        Role.SCREENER,
        lambda: {
            "id": str(_SOME),
            "event": "recheck_normal_conditions",
            "ground": "HARDSHIP",
            "reason": CANARY,
        },
        (
            *at("/id", of=IDS),
            *at("/event", "/ground", of=WORDS),
            *at("/reason", of=TEXTS),
            Fault("/state", '"CLEARED"', "unknown-field"),
        ),
    ),
    Target(
        "POST",
        "/v1/exports/identified",
        Role.EPIDEMIOLOGIST,
        lambda: {
            "id": str(_SOME),
            "from": people.ago(hours=2),
            "to": people.now(),
            "purpose": "LEGAL_DUTY",
            "recipient": CANARY,
            "reason": CANARY,
        },
        (
            *at("/id", of=IDS),
            *at("/from", "/to", of=MOMENTS),
            *at("/purpose", of=WORDS),
            *at("/recipient", "/reason", of=TEXTS),
            Fault("/to", '"2020-01-01T00:00:00Z"', "out-of-range"),
            Fault("/since", '"2020-01-01T00:00:00Z"', "unknown-field"),
        ),
    ),
    Target(
        "POST",
        "/v1/policies/cn-hub-2/replays",
        Role.DUTY_COMMANDER,
        lambda: {"id": str(_SOME), "from": people.ago(hours=2), "to": people.ago(hours=1)},
        (
            *at("/id", of=IDS),
            *at("/from", of=MOMENTS),
            *at("/to", of=MOMENTS),
            *(
                Fault("/to", f'"{people.ago(**ago)}"', "out-of-range")
                for ago in ({"hours": 3}, {"hours": -1})
            ),
            Fault("/from", f'"{people.ago(days=32)}"', "out-of-range", "/to"),
            Fault("/version", '"cn-hub-2"', "unknown-field"),
        ),
    ),
    Target(
        "POST",
        f"/v1/quarantine/{_SOME}:reveal",
        Role.SUPERVISOR,
        lambda: {"purpose": "DATA_QUALITY", "reason": CANARY},
        (*at("/purpose", of=WORDS), *at("/reason", of=TEXTS)),
    ),
    Target(
        "PUT",
        f"/v1/quarantine/{_SOME}/resolution",
        Role.SUPERVISOR,
        lambda: {"resolution": "RESUBMITTED", "fact_id": str(_SOME), "reason": CANARY},
        (
            *at("/resolution", of=WORDS),
            *at("/fact_id", of=IDS),
            *at("/reason", of=TEXTS),
            Fault("/fact_id", "null", "missing", ""),
            Fault("/resolution", '"DISCARDED"', "missing", ""),
        ),
    ),
    Target(
        "POST",
        "/v1/devices:enrol",
        None,
        lambda: {"code": f"hub:{CANARY}", "name": CANARY},
        (*at("/code", "/name", of=TEXTS), Fault("/hub_id", '"x"', "unknown-field")),
    ),
    Target(
        "POST",
        "/v1/enrolments",
        Role.ADMINISTRATOR,
        lambda: {"lane_id": None},
        (*at("/lane_id", of=SLUGS), *at("", of=NO_BODIES)),
    ),
    Target(
        "POST",
        "/v1/shifts",
        "device",
        lambda: {"login": CANARY, "passcode": CANARY},
        (
            *at("/login", of=SLUGS),
            *at("/passcode", of=TEXTS),
            Fault("/roles", '["administrator"]', "unknown-field"),
            *at("", of=NO_BODIES),
        ),
    ),
    Target(
        "POST",
        "/v1/operators",
        Role.ADMINISTRATOR,
        lambda: {
            "login": CANARY,
            "display_name": CANARY,
            "roles": ["screener"],
            "passcode": CANARY,
        },
        (
            *at("/login", of=SLUGS),
            *at("/display_name", "/passcode", of=TEXTS),
            Fault("/passcode", '"12345"', "too-short"),
            Fault("/roles", "[]", "too-few"),
            Fault("/roles", f'["{CANARY}"]', "unknown-value", "/roles/0"),
            Fault("/roles", '["medic"' + ', "medic"' * 7 + "]", "too-many"),
        ),
    ),
    Target(
        "PUT",
        "/v1/lanes/north-1",
        Role.ADMINISTRATOR,
        lambda: {"checkpoint": "north", "kind": "AUTO"},
        (*at("/checkpoint", of=SLUGS), *at("/kind", of=WORDS)),
    ),
    Target(
        "POST",
        "/v1/partners",
        Role.ADMINISTRATOR,
        lambda: {
            "name": CANARY,
            "kind": "health",
            "types": [{"type": "case.opened", "fields": ["case_no"]}],
        },
        (
            *at("/name", of=TEXTS),
            *at("/kind", "/types/0/type", of=WORDS),
            Fault("/types", "[]", "too-few"),
            Fault("/types/0/fields", f'["{CANARY}"]', "unknown-value", "/types/0/fields/0"),
            Fault("/types", f"[{', '.join([_TYPE] * 2)}]", "duplicate-entry"),
            Fault("/secret", '"x"', "unknown-field"),
        ),
    ),
    Target(
        "PUT",
        "/v1/paper-forms/A-0001",
        Role.ASSISTANT,
        lambda: {**check(), "check_id": str(_SOME), "lane_id": "north-1"},
        (*FACT, *at("/check_id", of=IDS), *at("/counter", of=COUNTS)),
    ),
    Target(
        "PUT",
        "/v1/paper-forms/A-0001/second-look",
        Role.MEDIC,
        lambda: {"agrees": False, "reason": CANARY},
        (
            *at("/agrees", of=FLAGS),
            *at("/reason", of=TEXTS),
            Fault("/agrees", "true", "missing", ""),
            Fault("/second_by", f'"{_SOME}"', "unknown-field"),
        ),
    ),
    Target(
        "POST",
        "/v1/declarations",
        None,
        lambda: {
            "key": str(_SOME),
            "language": "en",
            "hub": CANARY,
            **declared_travellers.CALM,
        },
        (
            *ANSWERS,
            *at("/key", of=IDS),
            *at("/hub", of=SLUGS),
            Fault("/name", f'"{CANARY}"', "unknown-field"),
        ),
    ),
    Target(
        "POST",
        "/v1/declarations:key",
        Role.ASSISTANT,
        lambda: {
            "key": str(_SOME),
            "language": "en",
            "source": "PAPER",
            "consent": "GUARDIAN",
            "document": people.document(NUMBER, name=CANARY),
            **declared_travellers.CALM,
        },
        (
            *ANSWERS,
            *at("/key", of=IDS),
            *at("/consent", of=WORDS),
            Fault("/source", '"OWN"', "unknown-value"),
            *(fault.below("/document") for fault in DOCUMENT),
        ),
    ),
    Target(
        "POST",
        "/v1/declarations:find",
        Role.ASSISTANT,
        lambda: {"pass_code": "1234 5678", "purpose": "IDENTIFICATION", "reason": CANARY},
        (
            *at("/purpose", of=WORDS),
            *at("/reason", of=TEXTS),
            *(
                Fault("/pass_code", raw, "invalid-format")
                for raw in (f'"{CANARY}"', '"1234567"', '"TWD1AA"', "12345678", '"张伟"')
            ),
        ),
    ),
    Target(
        "POST",
        f"/v1/appeals/{_SOME}:reveal",
        Role.SUPERVISOR,
        lambda: {"purpose": "SUBJECT_REQUEST", "reason": CANARY},
        (*at("/purpose", of=WORDS), *at("/reason", of=TEXTS)),
    ),
    Target(
        "PUT",
        f"/v1/appeals/{_SOME}/answer",
        Role.SUPERVISOR,
        lambda: {"decided": "UPHELD", "text": CANARY},
        (*at("/decided", of=WORDS), *TEXT),
    ),
    Target(
        "PUT",
        f"/v1/tallies/{_SOME}",
        Role.SCREENER,
        lambda: {
            "lane_id": "north-1",
            "from": people.now(),
            "to": people.now(),
            **dict.fromkeys(("passed", "fever_suspected", "refused", "not_screened"), 1),
        },
        (
            *at("/lane_id", of=SLUGS),
            *at("/from", "/to", of=MOMENTS),
            *at("/passed", "/fever_suspected", "/refused", "/not_screened", of=COUNTS),
            *at("/supersedes", of=IDS),
            Fault("/names", f'["{CANARY}"]', "unknown-field"),
        ),
    ),
)
