"""The public test vectors of every scheme, by the suites that `conformance.py` runs."""

import json

import _issuing as made
import credential_vectors
import pytest
from credential_vectors import CARDS, CLOCK, judged, vectors_of_the_eu
from vectors import DATA, SHARED

from twinstile.credentials import certificates, offline
from twinstile.credentials.certificates import UnusableKey
from twinstile.credentials.codecs import shc, vds_nc
from twinstile.credentials.types import Context

if SHARED is None:
    pytest.skip(
        "no public vectors here: set TWINSTILE_SHARED_DATA to the folder with credentials/",
        allow_module_level=True,
    )

AT_LEAST = {"dcc": 1300, "shc": 28, "who": 8, "vds-nc": 4}


@pytest.mark.parametrize("suite", credential_vectors.SUITES)
def test_every_vector_behaves_as_its_makers_state(suite):
    cases = list(credential_vectors.SUITES[suite](SHARED))
    failures = [failure for case in cases if not case.disputed and (failure := case.failure())]
    assert failures == []
    assert len(cases) >= AT_LEAST[suite]


def test_an_eu_vector_that_states_no_fault_and_has_a_clock_is_verified():
    verified = [
        path for path, v in vectors_of_the_eu(SHARED) if judged(v).outcome is made.GENUINE
    ]
    assert len(verified) > 145


def test_a_file_of_two_cards_is_as_good_as_the_worse_one():
    believed = credential_vectors.cards_listed(DATA / "shc/spec-examples")
    text = (
        DATA / "shc/dev-tools/test-example-00-e-file-multi-jws.smart-health-card"
    ).read_text()

    def card(one):
        return offline.verify(one, believed, Context(CLOCK))

    assert (card(text).outcome, card(text).issuer) == (made.GENUINE, CARDS)
    assert [card(one).outcome for one in shc.cards(text)] == [made.GENUINE] * 2
    broken = json.dumps({"verifiableCredential": [shc.cards(text)[0], "eyJ.eyJ.eyJ"]})
    assert card(broken).outcome is not made.GENUINE


def test_the_keys_of_the_directory_of_issuers_can_be_read():
    directory = json.loads((DATA / "shc/vci-directory/vci_snapshot.json").read_text())
    read = unusable = 0
    for issuer in directory["issuerInfo"]:
        for jwk in issuer["keys"]:
            try:
                certificates.of_card_issuer(jwk, issuer["issuer"]["iss"])
                read += 1
            except UnusableKey:
                unusable += 1
    assert read > 940
    assert unusable < 20


def test_the_australian_seal_is_of_the_holder_of_a_passport():
    seal = vds_nc.read((DATA / "vds-nc/ICAOAUQR1Contents.txt").read_text())
    holder = vds_nc.holder(vds_nc.content(seal.message.payload).body)
    assert (holder.family, holder.given) == ("CITIZEN", "JANE SUE")
    assert holder.passport == "PA0941262"
