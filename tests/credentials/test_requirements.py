"""Entry rules on certificates that are known to be genuine, and on no others."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import _issuing as made
import pytest

from twinstile.credentials import offline, requirements, trust
from twinstile.credentials.trust import Domain, TrustList
from twinstile.credentials.types import AspectResult, Context, CredentialOutcome, Scheme
from twinstile.policy.entry.documents import compile_entry

HUB = ZoneInfo("Asia/Shanghai")
PRIVATE = made.key()
LISTED = TrustList(
    1,
    made.NOW,
    made.NOW + timedelta(days=1),
    trust.by_kid([made.trusted(PRIVATE), made.trusted(PRIVATE, Domain.ICVP)]),
)


def policy(doses, **more):
    accepts = {">=": [{"var": "payload.v.0.dn"}, doses]}
    rules = [{"id": "VR-0001", "accepts": accepts, "text": {"en": "doses"}}]
    named = {"entry": "anywhere", "version": "1.0", "title": {"en": "Anywhere"}}
    return compile_entry({**named, "rules": rules, **more})


@pytest.mark.parametrize(
    ("rules", "held", "unmet"),
    [
        (policy(2), AspectResult.YES, ()),
        (policy(3), AspectResult.NO, ("VR-0001",)),
        (policy(3, valid_until="2026-06-30"), AspectResult.UNKNOWN, ()),
    ],
)
def test_rules_in_force_are_met_or_named(rules, held, unmet):
    context = Context(made.NOW, unmet=requirements.of([rules], HUB))
    found = offline.verify(made.dcc(PRIVATE), LISTED, context)
    assert (found.policy, found.unmet) == (held, unmet)
    assert (found.outcome is made.GENUINE) is (held is AspectResult.YES)


def test_the_day_of_rules_is_that_of_the_hub():
    unmet = requirements.of([policy(0, valid_until="2026-06-30")], HUB)
    for hour, held in ((15, ()), (16, None)):  # midnight is at 16 UTC
        at = datetime(2026, 6, 30, hour, 30, tzinfo=UTC)
        assert unmet(Scheme.EU_DCC, made.CERTIFICATE, at) == held


def test_of_other_schemes_rules_of_eu_certificates_know_nothing():
    card = {"n": "Jane", "dob": "1961-05-15", "v": {"dt": "2026-01-02"}}
    code = made.dcc(PRIVATE, made.claims(card, -6, exp=None))
    context = Context(made.NOW, unmet=requirements.of([policy(0)], HUB))
    assert offline.verify(code, LISTED, context).policy is AspectResult.UNKNOWN


def test_a_certificate_without_the_form_of_its_scheme_is_not_put_to_rules():
    body = {**made.CERTIFICATE, "v": [{**made.CERTIFICATE["v"][0], "dn": b"\x01"}]}
    context = Context(made.NOW, unmet=requirements.of([policy(0)], HUB))
    found = offline.verify(made.dcc(PRIVATE, made.claims(body)), LISTED, context)
    assert (found.outcome, found.policy) == (
        CredentialOutcome.INVALID_CONTENT,
        AspectResult.UNKNOWN,
    )
