"""Words of what a traveller claims: tests, an itinerary, a declaration."""

from enum import StrEnum


class SampleKind(StrEnum):
    PCR = "PCR"
    ANTIGEN = "ANTIGEN"


class SampleResult(StrEnum):
    UNKNOWN = "UNKNOWN"
    PENDING = "PENDING"
    NEGATIVE = "NEGATIVE"
    POSITIVE = "POSITIVE"


class ItinerarySource(StrEnum):
    """Who says where a traveller was."""

    CARD = "CARD"
    DECLARATION = "DECLARATION"
    OFFICER = "OFFICER"


class DeclarationSource(StrEnum):
    """How a declaration came to us."""

    OWN = "OWN"  # on the traveller's own device
    PAPER = "PAPER"  # a form, keyed by staff
    SPOKEN = "SPOKEN"  # said to staff, who keyed it


class Tristate(StrEnum):
    """An answer, from the least to the most serious one where the question is of a risk."""

    NOT_STATED = "NOT_STATED"
    NO = "NO"
    UNSURE = "UNSURE"
    YES = "YES"


class Symptom(StrEnum):
    """What customs cards, the declarations of the IHR and code clients ask for, together."""

    FEVER = "FEVER"
    FATIGUE = "FATIGUE"
    COUGH = "COUGH"
    HEADACHE = "HEADACHE"
    MUSCLE_PAIN = "MUSCLE_PAIN"
    BREATHING_DIFFICULTY = "BREATHING_DIFFICULTY"
    CHEST_TIGHTNESS = "CHEST_TIGHTNESS"
    PALPITATION = "PALPITATION"
    NAUSEA = "NAUSEA"
    VOMITING = "VOMITING"
    DIARRHOEA = "DIARRHOEA"
    CONJUNCTIVITIS = "CONJUNCTIVITIS"
    RASH = "RASH"
    BLEEDING = "BLEEDING"  # under the skin or without injury
    CONFUSION = "CONFUSION"
    UNWELL = "UNWELL"
