"""The public test vectors of every scheme, read where they lie; none of them is copied.

A vector counts as its makers state, except those of KNOWN_ISSUES.json, which are wrong or
disputed: here by the one expectation that is.
"""

import base64
import json
import re
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from vectors import DATA

from twinstile.credentials import certificates, offline, trust
from twinstile.credentials.certificates import UnusableKey
from twinstile.credentials.codecs import base45, bounded, cose, hcert, shc, vds_nc
from twinstile.credentials.trust import Domain, TrustList
from twinstile.credentials.types import Context, EvidenceKind, Held, Outcome, Refused, Scheme

if not DATA.is_dir():
    pytest.skip(f"no public test vectors at {DATA}", allow_module_level=True)

CARDS = "https://spec.smarthealth.cards/examples/issuer"
CLOCK = datetime.fromtimestamp(1_690_000_000, UTC)

DISPUTED = {
    r"ES/2DCode/raw/40[123]\.json": {"EXPECTEDVERIFY"},
    r"FR/2DCode/raw/test_pcr_ok\.json": {"EXPECTEDDECODE", "EXPECTEDVALIDJSON"},
    r"PL/1\.3\.0/2DCode/raw/[15]\.json": {"EXPECTEDDECODE", "EXPECTEDVALIDJSON"},
    r"NL/.*": {"EXPECTEDSCHEMAVALIDATION"},
    r"(HU/2DCode/raw/3|RO/2DCode/raw/2|SK/2DCode/raw/3|LI/2DCode/raw/4)\.json": {
        "EXPECTEDSCHEMAVALIDATION"
    },
    r"BG/2DCode/raw/[12]\.json": {"EXPECTEDSCHEMAVALIDATION"},
    r"PL/.*/2DCode/raw/[789]\.json": {"EXPECTEDSCHEMAVALIDATION"},
}


@cache
def certificates_of_the_eu():
    lines = (DATA / "eu-dcc" / "dgc-testdata.jsonl").read_text("utf-8").splitlines()
    return [(one["path"], one["vector"]) for one in map(json.loads, lines)]


def clock_of(vector):
    moment = datetime.fromisoformat(vector["TESTCTX"]["VALIDATIONCLOCK"])
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def listed(moment, *keys, **more):
    return TrustList(1, moment, moment + timedelta(days=1), trust.by_kid(keys), **more)


def keys_of(vector):
    der = base64.b64decode(vector["TESTCTX"]["CERTIFICATE"])
    try:
        return [certificates.signer(certificates.read(der), Domain.EU_DCC, "XX")]
    except UnusableKey:
        return []


def judged(vector):
    moment = clock_of(vector)
    return offline.verify(vector["PREFIX"], listed(moment, *keys_of(vector)), Context(moment))


def fails(attempt):
    try:
        attempt()
    except Refused:
        return True
    return False


def packed(vector):
    return base45.decode(vector["PREFIX"].removeprefix("HC1:"))


def inflated(vector):
    return bounded.inflate(packed(vector), limit=hcert.MOST_INFLATED, window=15)


def payload(vector):
    return cose.read(inflated(vector), Scheme.HCERT).payload


def plain(value):
    """Without what JSON cannot tell apart: one moment in two spellings, 2 and 2.0."""
    match value:
        case dict():
            return {name: plain(inner) for name, inner in value.items()}
        case list():
            return [plain(inner) for inner in value]
        case str() if re.match(r"\d{4}-\d\d-\d\dT", value):
            moment = datetime.fromisoformat(value)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        case _:
            return value


def unprefixed(vector):
    if offline.detect(vector["PREFIX"]) is not Scheme.HCERT:
        raise Refused(Outcome.NOT_SUPPORTED)


STEPS = {
    "EXPECTEDUNPREFIX": unprefixed,
    "EXPECTEDB45DECODE": packed,
    "EXPECTEDCOMPRESSION": inflated,
    "EXPECTEDDECODE": lambda v: hcert.content(payload(v)),
}
SPEAK_AGAINST = {
    "EXPECTEDVERIFY": {
        Outcome.INVALID_SIGNATURE,
        Outcome.ISSUER_NOT_TRUSTED,
        Outcome.INVALID_SIGNING_FORMAT,
    },
    "EXPECTEDKEYUSAGE": {Outcome.KEY_USAGE_MISMATCH},
    "EXPECTEDEXPIRATIONCHECK": {Outcome.EXPIRED, Outcome.NOT_YET_VALID},
    "EXPECTEDSCHEMAVALIDATION": {Outcome.INVALID_CONTENT},
}


def stated(path, vector):
    disputed = set().union(
        *(names for like, names in DISPUTED.items() if re.fullmatch(like, path))
    )
    return {k: v for k, v in vector["EXPECTEDRESULTS"].items() if k not in disputed}


@pytest.mark.parametrize("name", [*STEPS, *SPEAK_AGAINST, "EXPECTEDVALIDJSON"])
def test_every_eu_vector_behaves_as_it_states(name):
    wrong = []
    seen = 0
    for path, vector in certificates_of_the_eu():
        expected = stated(path, vector).get(name)
        if expected is None:
            continue
        seen += 1
        if name in STEPS:
            found = not fails(lambda v=vector: STEPS[name](v))
        elif name in SPEAK_AGAINST:
            found = SPEAK_AGAINST[name].isdisjoint(judged(vector).reasons)
        else:
            found = plain(dict(hcert.content(payload(vector)).body)) == plain(vector["JSON"])
        if found is not expected:
            wrong.append(path)
    assert wrong == []
    assert seen > 50


def test_an_eu_vector_that_states_no_fault_and_has_a_clock_is_verified():
    verified = [
        path for path, v in certificates_of_the_eu() if judged(v).outcome is Outcome.VERIFIED
    ]
    assert len(verified) > 145


def test_a_payload_is_what_the_vector_says_it_is():
    compared = 0
    for path, vector in certificates_of_the_eu():
        if "COMPRESSED" in vector and stated(path, vector).get("EXPECTEDB45DECODE"):
            assert packed(vector).hex() == vector["COMPRESSED"].lower(), path
            compared += 1
    assert compared > 100


@cache
def card_keys():
    keys = json.loads((DATA / "shc/spec-examples/issuer.jwks.json").read_text())["keys"]
    return [certificates.of_card_issuer(one, CARDS) for one in keys]


@cache
def cards_listed():
    crl = json.loads((DATA / "shc/spec-examples/issuer.crl.json").read_text())
    entries = {}
    for entry in crl["rids"]:
        rid, _, second = entry.partition(".")
        entries[rid] = float(second) if second else None
    return listed(CLOCK, *card_keys(), revoked_cards={crl["kid"].encode(): entries})


def card(text, list_=None):
    return offline.verify(text, list_ or cards_listed(), Context(CLOCK))


@pytest.mark.parametrize("number", [0, 1, 2, 3])
@pytest.mark.parametrize("form", ["d-jws.txt", "e-file.smart-health-card", "f-qr"])
def test_the_cards_of_the_specification_verify_but_the_revoked_one(number, form):
    folder = DATA / "shc" / "spec-examples"
    paths = sorted(folder.glob(f"example-0{number}-{form}*"))
    found = card("\n".join(path.read_text() for path in paths))
    assert found.outcome is (Outcome.REVOKED if number == 3 else Outcome.VERIFIED)
    assert found.authenticity is Held.YES
    assert found.issuer == CARDS


def test_the_content_of_a_card_is_what_the_specification_shows():
    folder = DATA / "shc" / "spec-examples"
    for number in range(4):
        message = shc.read((folder / f"example-0{number}-d-jws.txt").read_text())
        shown = json.loads(
            (folder / f"example-0{number}-c-jws-payload-minified.json").read_text()
        )
        assert shc.content(message.payload, {CARDS}).body == shown


def bad_cards():
    expected = json.loads((DATA / "shc/dev-tools/EXPECTED.json").read_text())["expected"]
    return [(name, said) for name, said in expected.items() if "valid JWS" not in said]


@pytest.mark.parametrize(("name", "said"), bad_cards())
def test_a_card_that_is_faulty_on_purpose_is_refused(name, said):
    found = card((DATA / "shc" / "dev-tools" / name).read_text())
    assert found.outcome is not Outcome.VERIFIED, said


def test_a_file_of_two_cards_is_as_good_as_the_worse_one():
    text = (
        DATA / "shc/dev-tools/test-example-00-e-file-multi-jws.smart-health-card"
    ).read_text()
    assert card(text).outcome is Outcome.VERIFIED
    assert [card(one).outcome for one in shc.cards(text)] == [Outcome.VERIFIED] * 2
    broken = json.dumps({"verifiableCredential": [shc.cards(text)[0], "eyJ.eyJ.eyJ"]})
    assert card(broken).outcome is not Outcome.VERIFIED


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


def test_whos_codes_can_be_read_and_are_of_nobody_that_is_trusted():
    for name, scheme, kid in (
        ("DVCTestQR.txt", Scheme.WHO_DVC, base64.b64decode("UUuJcwmjoJM=")),
        ("WHOQR1Contents.txt", Scheme.WHO_DDCC, b"11"),
    ):
        text = (DATA / "who-hcert" / name).read_text()
        message = hcert.read(text)
        content = hcert.content(message.payload)
        assert (content.scheme, message.kid) == (scheme, kid)
        assert content.kinds == {EvidenceKind.VACCINATION}
        shown = (
            DATA / "who-hcert" / name.replace("Contents", "").replace(".txt", "Unpacked.json")
        )
        said = json.loads(shown.read_text())["contents"]
        assert content.body == (said["-260"]["-6"] if "-260" in said else said)
        assert offline.verify(text, listed(CLOCK), Context(CLOCK)).outcome is (
            Outcome.ISSUER_NOT_TRUSTED
        )


def test_the_australian_seal_is_signed_by_the_certificate_it_brings():
    text = (DATA / "vds-nc/ICAOAUQR1Contents.txt").read_text()
    seal = vds_nc.read(text)
    signer = certificates.signer(certificates.read(seal.certificate), Domain.VDS_NC)
    assert offline.verifies(seal.message, signer.spki)
    holder = vds_nc.holder(vds_nc.content(seal.message.payload).body)
    assert (holder.family, holder.given) == ("CITIZEN", "JANE SUE")
    assert holder.passport == "PA0941262"
    found = offline.verify(text, listed(CLOCK), Context(CLOCK))
    assert found.outcome is Outcome.ISSUER_NOT_TRUSTED
    assert offline.verify(text + "\n", listed(CLOCK), Context(CLOCK)).outcome is found.outcome
