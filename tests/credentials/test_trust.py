"""The list in memory: ages in words, ids that collide, exact look-ups of revoked hashes."""

from datetime import UTC, datetime, timedelta

import pytest

from twinstile.credentials import trust
from twinstile.credentials.trust import Domain, Slice, TrustedKey, TrustList
from twinstile.credentials.types import Freshness

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)


def listed(*keys, issued_at=NOW):
    return TrustList(7, issued_at, issued_at + timedelta(days=7), trust.by_kid(keys))


@pytest.mark.parametrize(
    ("hours", "word"),
    [
        (-1, Freshness.FRESH),  # clocks differ
        (24, Freshness.FRESH),
        (24.1, Freshness.AGING),
        (72, Freshness.AGING),
        (72.1, Freshness.OLD),
        (168, Freshness.OLD),
        (168.1, Freshness.OVER),
    ],
)
def test_an_age_is_told_in_words(hours, word):
    assert listed().freshness(NOW + timedelta(hours=hours)) is word


def test_an_id_leads_to_every_key_that_has_it_in_the_domains_asked():
    one = TrustedKey(b"12345678", b"a", Domain.EU_DCC, "FR")
    two = TrustedKey(b"12345678", b"b", Domain.EU_DCC, "DE", removed=True)
    other = TrustedKey(b"12345678", b"c", Domain.ICVP, "CL")
    found = listed(one, two, other)
    assert found.of(frozenset({Domain.EU_DCC}), b"12345678") == [one, two]
    assert found.of(frozenset({Domain.SHC}), b"12345678") == []
    assert found.of(frozenset(Domain), b"87654321") == []


def test_a_slice_holds_exactly_what_was_put_in():
    digests = [trust.digest(str(n).encode()) for n in range(2000)]
    held = Slice.of(digests[:1000])
    assert len(held) == 1000
    assert all(one in held for one in digests[:1000])
    assert not any(one in held for one in digests[1000:])
    assert digests[0] not in Slice(b"")
