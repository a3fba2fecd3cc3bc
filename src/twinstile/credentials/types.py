"""The words of health credentials, in which every scheme and provider answers.

None of NOT_FOUND, UNAVAILABLE, NOT_PRESENTED, STALE and PENDING alone denies passage (State
Council plan 45/2020: a health code is never the sole proof), and none of them is ever green.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from typing_extensions import override


class CredentialStatus(StrEnum):
    """What is known of a credential's holder, whatever scheme it comes from."""

    GREEN = "GREEN"
    YELLOW = "YELLOW"
    RED = "RED"
    UNDER_REVIEW = "UNDER_REVIEW"
    EXPIRED = "EXPIRED"
    NOT_FOUND = "NOT_FOUND"  # the provider answered that it knows none
    INVALID = "INVALID"
    UNAVAILABLE = "UNAVAILABLE"  # the provider did not answer
    NOT_PRESENTED = "NOT_PRESENTED"  # the traveller has none
    STALE = "STALE"  # the answer is older than it may be
    PENDING = "PENDING"  # the provider was asked and has not answered yet


class CredentialKind(StrEnum):
    """What was shown."""

    HEALTH_CODE = "HEALTH_CODE"
    CERTIFICATE = "CERTIFICATE"
    DECLARATION = "DECLARATION"
    PROXY_LOOKUP = "PROXY_LOOKUP"
    PAPER = "PAPER"


class Scheme(StrEnum):
    """Who made the rules of a credential's form."""

    HCERT = "HCERT"  # the form of the next three, before the content is known
    EU_DCC = "EU_DCC"
    WHO_DVC = "WHO_DVC"  # digital vaccination certificate of the ICVP, the yellow card
    WHO_DDCC = "WHO_DDCC"
    SHC = "SHC"  # SMART Health Card
    VDS_NC = "VDS_NC"  # ICAO visible digital seal, non-constrained
    ONLINE = "ONLINE"  # a token that only its provider can read


class EvidenceKind(StrEnum):
    """What a credential tells of; also what a key may be restricted to sign."""

    VACCINATION = "VACCINATION"
    TEST = "TEST"
    RECOVERY = "RECOVERY"


class CredentialOutcome(StrEnum):
    """What came of looking at a credential: the first thing that speaks against it, if any."""

    VERIFIED = "VERIFIED"
    NOT_FOUND = "NOT_FOUND"
    NOT_SUPPORTED = "NOT_SUPPORTED"
    INVALID_ENCODING = "INVALID_ENCODING"
    INVALID_COMPRESSION = "INVALID_COMPRESSION"
    INVALID_SIGNING_FORMAT = "INVALID_SIGNING_FORMAT"
    INVALID_CONTENT = "INVALID_CONTENT"  # signed, and not what the scheme prescribes
    KID_NOT_INCLUDED = "KID_NOT_INCLUDED"
    ISSUER_NOT_TRUSTED = "ISSUER_NOT_TRUSTED"  # no key of that id: perhaps of a newer list
    TERMINATED_KEYS = "TERMINATED_KEYS"  # the key was on the list and was taken off it
    EXPIRED_KEYS = "EXPIRED_KEYS"
    REVOKED_KEYS = "REVOKED_KEYS"
    KEY_USAGE_MISMATCH = "KEY_USAGE_MISMATCH"
    INVALID_SIGNATURE = "INVALID_SIGNATURE"
    NOT_YET_VALID = "NOT_YET_VALID"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"
    STALE_SNAPSHOT = "STALE_SNAPSHOT"
    POLICY_FAILED = "POLICY_FAILED"  # rules are not met, or none speak of such a credential
    SUBJECT_MISMATCH = "SUBJECT_MISMATCH"
    SUBJECT_UNCONFIRMED = "SUBJECT_UNCONFIRMED"  # a human has to look
    NO_TRUST_LIST = "NO_TRUST_LIST"  # the hub has none yet
    PROVIDER_UNAVAILABLE = "PROVIDER_UNAVAILABLE"
    PROVIDER_TIMEOUT = "PROVIDER_TIMEOUT"
    PROVIDER_ANSWERED = "PROVIDER_ANSWERED"  # something else than green; `stated` says what


STATUSES: Final[Mapping[CredentialOutcome, CredentialStatus]] = {
    CredentialOutcome.VERIFIED: CredentialStatus.GREEN,
    CredentialOutcome.NOT_FOUND: CredentialStatus.NOT_FOUND,
    CredentialOutcome.NOT_SUPPORTED: CredentialStatus.INVALID,
    CredentialOutcome.INVALID_ENCODING: CredentialStatus.INVALID,
    CredentialOutcome.INVALID_COMPRESSION: CredentialStatus.INVALID,
    CredentialOutcome.INVALID_SIGNING_FORMAT: CredentialStatus.INVALID,
    CredentialOutcome.INVALID_CONTENT: CredentialStatus.INVALID,
    CredentialOutcome.KID_NOT_INCLUDED: CredentialStatus.INVALID,
    CredentialOutcome.ISSUER_NOT_TRUSTED: CredentialStatus.UNAVAILABLE,
    CredentialOutcome.TERMINATED_KEYS: CredentialStatus.INVALID,
    CredentialOutcome.EXPIRED_KEYS: CredentialStatus.EXPIRED,
    CredentialOutcome.REVOKED_KEYS: CredentialStatus.INVALID,
    CredentialOutcome.KEY_USAGE_MISMATCH: CredentialStatus.INVALID,
    CredentialOutcome.INVALID_SIGNATURE: CredentialStatus.INVALID,
    CredentialOutcome.NOT_YET_VALID: CredentialStatus.INVALID,
    CredentialOutcome.EXPIRED: CredentialStatus.EXPIRED,
    CredentialOutcome.REVOKED: CredentialStatus.INVALID,
    CredentialOutcome.STALE_SNAPSHOT: CredentialStatus.STALE,
    CredentialOutcome.POLICY_FAILED: CredentialStatus.YELLOW,
    CredentialOutcome.SUBJECT_MISMATCH: CredentialStatus.INVALID,
    CredentialOutcome.SUBJECT_UNCONFIRMED: CredentialStatus.UNDER_REVIEW,
    CredentialOutcome.NO_TRUST_LIST: CredentialStatus.UNAVAILABLE,
    CredentialOutcome.PROVIDER_UNAVAILABLE: CredentialStatus.UNAVAILABLE,
    CredentialOutcome.PROVIDER_TIMEOUT: CredentialStatus.UNAVAILABLE,
}
"""What an outcome is on a check; PROVIDER_ANSWERED is what the provider stated."""


class CredentialRefused(ValueError):
    """A credential is looked at no further; the outcome says why.

    The one error that codecs raise, whatever they are fed. Never carries what it was fed.
    """

    def __init__(self, outcome: CredentialOutcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


class AspectResult(StrEnum):
    """Whether one aspect of a credential holds."""

    YES = "YES"
    NO = "NO"
    UNKNOWN = "UNKNOWN"  # never as good as yes


class SubjectMatch(StrEnum):
    """How well the credential's person fits the identity document shown beside it."""

    EXACT = "EXACT"
    COMPATIBLE = "COMPATIBLE"  # parts left out, cut short or swapped
    POSSIBLE = "POSSIBLE"  # another spelling: a human decides
    MISMATCH = "MISMATCH"
    NOT_CHECKED = "NOT_CHECKED"


class MatchReason(StrEnum):
    """What a human is shown beside a match that is not exact. Never a name or a number."""

    NUMBER_AGREES = "NUMBER_AGREES"
    NUMBER_DIFFERS = "NUMBER_DIFFERS"
    BIRTH_DATE_DIFFERS = "BIRTH_DATE_DIFFERS"
    BIRTH_DATE_PARTIAL = "BIRTH_DATE_PARTIAL"
    BIRTH_DATE_UNKNOWN = "BIRTH_DATE_UNKNOWN"
    NAME_PARTS_LEFT_OUT = "NAME_PARTS_LEFT_OUT"
    NAME_CUT_SHORT = "NAME_CUT_SHORT"
    NAMES_SWAPPED = "NAMES_SWAPPED"
    NAME_SPELT_OTHERWISE = "NAME_SPELT_OTHERWISE"
    NAME_DIFFERS = "NAME_DIFFERS"
    NAME_IN_OTHER_SCRIPT = "NAME_IN_OTHER_SCRIPT"


class Freshness(StrEnum):
    """How old a trust list is, in words for the people who rely on it."""

    FRESH = "FRESH"
    AGING = "AGING"  # a warning is shown, results count
    OLD = "OLD"  # no result is better than yellow
    OVER = "OVER"  # past its end: nothing is known


class Colour(StrEnum):
    GREEN = "GREEN"
    YELLOW = "YELLOW"
    RED = "RED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Subject:
    """The person at the lane, as their identity document has it.

    `primary` and `secondary` are the parts of a machine readable zone, `<` or blanks between
    words; an officer's typing may stand in them. `born` is ISO 8601 at the precision known.
    """

    primary: str = field(default="", repr=False)
    secondary: str = field(default="", repr=False)
    name_cut: bool = False
    """The zone's name field is full: compare beginnings."""
    native: str = field(default="", repr=False)
    """The name in its own script, as on a Chinese card."""
    born: str = field(default="", repr=False)
    number: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Holder:
    """The person a credential was given to, as it says; empty where it is silent."""

    family: str = field(default="", repr=False)
    given: str = field(default="", repr=False)
    family_latin: str = field(default="", repr=False)
    """As the issuer transliterated it for machines (`fnt`), `<` between words."""
    given_latin: str = field(default="", repr=False)
    whole: str = field(default="", repr=False)
    """The name where a scheme does not tell its parts apart."""
    born: str = field(default="", repr=False)
    passport: str = field(default="", repr=False)
    """Number of the very document that was shown when it was issued."""
    other_number: str = field(default="", repr=False)
    """Of some paper or register: tells something where it agrees, nothing where it differs."""


class Content(NamedTuple):
    """What a credential says, once it is known to be genuine. Lives as long as its request.

    A tuple like everything that is made anew for each scan: a frozen dataclass is set field by
    field, which is felt beside one signature.
    """

    scheme: Scheme
    kinds: frozenset[EvidenceKind]
    body: Mapping[str, object]
    """As rules read it."""
    issued: float | None
    """Not valid before; seconds since 1970."""
    expires: float | None
    """The last second of it; None: the scheme lets it be open."""
    sound: bool
    """Whether it has the form its scheme prescribes; what it says is read all the same."""

    @override
    def __repr__(self) -> str:
        return f"Content({self.scheme})"


class Assessment(NamedTuple):
    """What is known of one credential. Holds nothing of its content but its kinds of evidence.

    The aspects are judged apart; `colour` is green only when every one of them holds.
    """

    scheme: Scheme | None
    outcome: CredentialOutcome
    reasons: tuple[CredentialOutcome, ...]
    """Everything that speaks against it, the outcome first; empty when verified."""
    authenticity: AspectResult
    validity: AspectResult
    """By the credential's own dates."""
    revocation: AspectResult
    """YES: not revoked, as far as a list fresh enough tells."""
    policy: AspectResult
    subject_match: SubjectMatch
    checked_at: datetime
    match_reasons: tuple[MatchReason, ...] = ()
    unmet: tuple[str, ...] = ()
    """Ids of the entry rules that are not met."""
    issuer: str | None = None
    """State or address of the issuer, and only of a genuine credential."""
    kinds: frozenset[EvidenceKind] = frozenset()
    snapshot: int | None = None
    """Version of the trust list; None: none was asked."""
    freshness: Freshness | None = None
    stated: CredentialStatus | None = None
    """What an online provider says of the holder; a certificate leaves that to rules."""
    claimed_issuer: str | None = None
    """Whom a credential names as its issuer that is not on the list; anybody can write that."""

    @property
    def colour(self) -> Colour:
        """What the lane shows. A known fault shows before what is merely not known."""
        aspects = (self.authenticity, self.validity, self.revocation, self.policy)
        match = self.subject_match
        if AspectResult.NO in (self.authenticity, self.revocation):
            return Colour.RED
        if self.authenticity is AspectResult.UNKNOWN:
            return Colour.UNKNOWN
        if match is SubjectMatch.MISMATCH or self.stated is CredentialStatus.RED:
            return Colour.RED
        if self.freshness is Freshness.OVER:
            return Colour.UNKNOWN
        if (
            AspectResult.NO in aspects
            or match is SubjectMatch.POSSIBLE
            or self.stated in _SHORT_OF_GREEN
            or self.freshness is Freshness.OLD
        ):
            return Colour.YELLOW
        green = (
            all(aspect is AspectResult.YES for aspect in aspects)
            and match in _SAME
            and self.stated in (None, CredentialStatus.GREEN)
            and self.outcome is CredentialOutcome.VERIFIED
        )
        return Colour.GREEN if green else Colour.UNKNOWN

    @property
    def status(self) -> CredentialStatus:
        """The word a check keeps. GREEN only where the colour is."""
        if self.outcome is CredentialOutcome.PROVIDER_ANSWERED:
            found = self.stated or CredentialStatus.UNAVAILABLE
        else:
            found = STATUSES[self.outcome]
        if found is CredentialStatus.GREEN and self.colour is not Colour.GREEN:
            return CredentialStatus.UNDER_REVIEW
        return found


_SAME: Final = (SubjectMatch.EXACT, SubjectMatch.COMPATIBLE)
_SHORT_OF_GREEN: Final = (
    CredentialStatus.YELLOW,
    CredentialStatus.UNDER_REVIEW,
    CredentialStatus.EXPIRED,
    CredentialStatus.STALE,
)


Unmet = Callable[[Scheme, Mapping[str, object], datetime], tuple[str, ...] | None]
"""Ids of the rules a credential's content does not meet; None: no rules speak of it."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a credential is judged by, besides itself."""

    now: datetime
    subject: Subject | None = None
    unmet: Unmet | None = None
    """None: the hub has no rules for credentials, and any genuine one will do."""


@dataclass(frozen=True, slots=True)
class ProviderHealth:
    """How a provider stands: its snapshot, or its line."""

    snapshot: int | None
    age_seconds: float | None
    freshness: Freshness | None
    breaker: str | None
