"""Unknown is never green: the whole table of aspects, matches, statements and ages."""

from datetime import UTC, datetime
from itertools import product

from twinstile.credentials.types import (
    STATUSES,
    AspectResult,
    Assessment,
    Colour,
    CredentialOutcome,
    CredentialStatus,
    Freshness,
    SubjectMatch,
)

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)
STATED = (None, *CredentialStatus)


def assessments(outcome=CredentialOutcome.VERIFIED):
    aspects = product(AspectResult, repeat=4)
    for four, match, stated, age in product(aspects, SubjectMatch, STATED, (None, *Freshness)):
        authenticity, validity, revocation, policy = four
        yield Assessment(
            scheme=None,
            outcome=outcome,
            reasons=(),
            authenticity=authenticity,
            validity=validity,
            revocation=revocation,
            policy=policy,
            subject_match=match,
            checked_at=NOW,
            stated=stated,
            freshness=age,
        )


def test_green_takes_every_aspect_a_match_and_a_list_of_the_last_three_days():
    green = [one for one in assessments() if one.colour is Colour.GREEN]
    assert len(green) == 2 * 2 * 3
    for one in green:
        aspects = {one.authenticity, one.validity, one.revocation, one.policy}
        assert aspects == {AspectResult.YES}
        assert one.subject_match in {SubjectMatch.EXACT, SubjectMatch.COMPATIBLE}
        assert one.stated in {None, CredentialStatus.GREEN}
        assert one.freshness in {None, Freshness.FRESH, Freshness.AGING}


def test_a_status_is_green_only_where_the_colour_is():
    for outcome in (CredentialOutcome.VERIFIED, CredentialOutcome.PROVIDER_ANSWERED):
        for one in assessments(outcome):
            if one.status is CredentialStatus.GREEN:
                assert one.colour is Colour.GREEN


def test_no_outcome_but_verified_is_green():
    green = [one for one in assessments() if one.colour is Colour.GREEN]
    for outcome in set(CredentialOutcome) - {CredentialOutcome.VERIFIED}:
        assert STATUSES.get(outcome) is not CredentialStatus.GREEN
        assert all(one._replace(outcome=outcome).colour is not Colour.GREEN for one in green)


def test_every_outcome_has_a_status():
    assert set(CredentialOutcome) - set(STATUSES) == {CredentialOutcome.PROVIDER_ANSWERED}
