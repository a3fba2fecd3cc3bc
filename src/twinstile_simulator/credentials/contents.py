"""What certificates say of their holders, a table of schemes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from twinstile_simulator.credentials import forms
from twinstile_simulator.showing import Holder

CARDS = "https://cards.example.org/demo"
"""The issuer of SMART Health Cards."""

Body = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Told:
    """Of whom, under which id, and for how long."""

    holder: Holder
    id: str
    begins: datetime
    ends: datetime

    @property
    def days(self) -> tuple[str, str]:
        return self.begins.date().isoformat(), self.ends.date().isoformat()


def claims(scheme: str, told: Told) -> dict[object, object]:
    """The payload of a health certificate of the EU's or WHO's."""
    sub, body = HEALTH[scheme]
    begins, ends = int(told.begins.timestamp()), int(told.ends.timestamp())
    return {1: "UT", 4: ends, 6: begins, forms.HCERT: {sub: body(told)}}


def _eu(told: Told) -> Body:
    vaccine = {"vp": "1119305005", "mp": "EU/1/20/1528", "ma": "ORG-100030215"}
    given = {"dn": 2, "sd": 2, "dt": told.days[0], "co": "UT", "is": "Health of Utopia"}
    dose = {"tg": "840539006", **vaccine, **given, "ci": told.id}
    one = told.holder
    names = {"fn": one.family, "fnt": one.family.upper(), "gn": one.given}
    return {
        "ver": "1.3.0",
        "nam": {**names, "gnt": one.given.upper()},
        "dob": one.born,
        "v": [dose],
    }


def _icvp(told: Told) -> Body:
    begins, ends = told.days
    dose = {"dn": 1, "tg": "1D47", "vp": "YellowFever", "dt": begins, "is": "Health of Utopia"}
    return {
        "n": told.holder.whole,
        "dob": told.holder.born,
        "hcid": told.id,
        "v": {**dose, "vls": begins, "vle": ends},
    }


def _ddcc(told: Told) -> Body:
    begins, ends = told.days
    return {
        "hcid": told.id,
        "name": told.holder.whole,
        "birthDate": told.holder.born,
        "vaccine": "XM68M6",
        "date": begins,
        "dose": 2,
        "valid_from": begins,
        "valid_until": ends,
    }


HEALTH: Mapping[str, tuple[int, Callable[[Told], Body]]] = {
    "EU_DCC": (1, _eu),
    "WHO_DVC": (-6, _icvp),
    "WHO_DDCC": (3, _ddcc),
}
"""Sub-claim and body by scheme."""


def card(told: Told) -> Body:
    """A SMART Health Card."""
    one = told.holder
    patient = {
        "resourceType": "Patient",
        "name": [{"family": one.family, "given": [one.given]}],
        "birthDate": one.born,
    }
    dose = {
        "resourceType": "Immunization",
        "status": "completed",
        "vaccineCode": {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "207"}]},
        "patient": {"reference": "resource:0"},
        "occurrenceDateTime": told.days[0],
    }
    entries = [
        {"fullUrl": f"resource:{n}", "resource": each} for n, each in enumerate((patient, dose))
    ]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    return {
        "iss": CARDS,
        "nbf": int(told.begins.timestamp()),
        "exp": int(told.ends.timestamp()),
        "vc": {
            "type": ["https://smarthealth.cards#health-card"],
            "credentialSubject": {"fhirVersion": "4.0.1", "fhirBundle": bundle},
            "rid": told.id,
        },
    }


def seal(told: Told) -> Body:
    """A visible digital seal; it holds as long as its signer's certificate."""
    one = told.holder
    person = {"dob": one.born, "i": one.number, "n": f"{one.family}  {one.given}".upper()}
    dose = {"des": "XM68M6", "dis": "RA01.0", "nam": "Vaxzevria"}
    given = [
        {"dvc": told.days[0], "seq": 1, "ctr": "UTO", "is": "Health of Utopia", "lot": "1"}
    ]
    return {
        "hdr": {"is": "UTO", "t": "icao.vacc", "v": 1},
        "msg": {"pid": person, "uvci": told.id, "ve": [{**dose, "vd": given}]},
    }
