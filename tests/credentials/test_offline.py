"""Credentials made to be wrong in one way each, and what is said of them."""

import json
import math
import random
from dataclasses import replace
from datetime import timedelta

import _hostile
import _issuing as made
import _mutating
import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils

from twinstile.credentials import certificates, offline, trust
from twinstile.credentials.codecs import hcert, shc
from twinstile.credentials.trust import Denied, Domain, HashType, Slice, TrustList
from twinstile.credentials.types import (
    AspectResult,
    Colour,
    Context,
    CredentialOutcome,
    CredentialStatus,
    EvidenceKind,
    Scheme,
    Subject,
    SubjectMatch,
)

PRIVATE = made.key()
HOLDER = Subject("MUSTERFRAU<GOESSINGER", "GABRIELE", born="1998-02-26")
UCI = made.CERTIFICATE["v"][0]["ci"]
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def listed(*keys, issued_at=made.NOW, **more):
    chosen = keys or (made.trusted(PRIVATE),)
    return TrustList(3, issued_at, issued_at + timedelta(days=7), trust.by_kid(chosen), **more)


def judged(code, list_=None, *, now=made.NOW, **more):
    return offline.verify(code, list_ or listed(), Context(now, **more))


def signed(content=None, protected=None, unprotected=None, private=PRIVATE):
    payload = cbor2.dumps(made.claims(made.CERTIFICATE) if content is None else content)
    head = {1: -7, 4: made.KID} if protected is None else protected
    return made.cose(private, payload, head, unprotected or {})


def test_a_certificate_of_the_right_person_is_green():
    found = judged(made.dcc(PRIVATE), subject=HOLDER)
    assert (found.outcome, found.colour) == (CredentialOutcome.VERIFIED, Colour.GREEN)
    assert found.status is CredentialStatus.GREEN
    assert (found.scheme, found.issuer, found.snapshot) == (Scheme.EU_DCC, "UT", 3)
    assert found.kinds == {EvidenceKind.VACCINATION}


def test_nobody_to_compare_with_is_never_green():
    found = judged(made.dcc(PRIVATE))
    assert (found.outcome, found.colour) == (made.GENUINE, Colour.UNKNOWN)
    assert found.status is CredentialStatus.UNDER_REVIEW


@pytest.mark.parametrize("age", [timedelta(hours=73), timedelta(days=8)])
def test_another_persons_is_red_however_old_the_list(age):
    old = listed(issued_at=made.NOW - age)
    found = judged(made.dcc(PRIVATE), old, subject=Subject("SMITH", "JOHN", born="1970-01-01"))
    assert (found.outcome, found.colour) == (CredentialOutcome.SUBJECT_MISMATCH, Colour.RED)
    assert found.reasons == (
        CredentialOutcome.SUBJECT_MISMATCH,
        CredentialOutcome.STALE_SNAPSHOT,
    )


def test_the_worst_card_of_a_file_tells():
    cards = [made.jws(CARD_KEY), made.jws(made.key(), kid=made.jwk(CARD_KEY)["kid"])]
    for order in (cards, cards[::-1]):
        found = judged(json.dumps({"verifiableCredential": order}), card_list())
        assert (found.outcome, found.colour) == (
            CredentialOutcome.INVALID_SIGNATURE,
            Colour.RED,
        )


def test_a_stranger_is_told_from_another_spelling():
    stranger = judged(made.dcc(PRIVATE), subject=Subject("SMITH", "JOHN", born="1998-02-26"))
    assert (stranger.outcome, stranger.colour) == (
        CredentialOutcome.SUBJECT_MISMATCH,
        Colour.RED,
    )
    typed = Subject("MUSTERFRAU<GOSINGER", "GABRIELE", born="1998-02-26")
    near = judged(made.dcc(PRIVATE), subject=typed)
    assert (near.subject_match, near.colour) == (SubjectMatch.POSSIBLE, Colour.YELLOW)


@pytest.mark.parametrize("wrap", [lambda m: m, lambda m: m[1:], lambda m: b"\xd8\x3d" + m])
def test_the_tag_may_be_missing_or_wrapped(wrap):
    assert judged(made.code(wrap(signed()))).outcome is made.GENUINE


@pytest.mark.parametrize(
    ("protected", "unprotected", "outcome"),
    [
        ({1: -7}, {4: made.KID}, made.GENUINE),
        ({}, {1: -7, 4: made.KID}, made.GENUINE),
        ({1: -7, 4: made.KID}, {4: b"otherkid"}, made.GENUINE),
        ({1: -7, 4: b"otherkid"}, {4: made.KID}, CredentialOutcome.ISSUER_NOT_TRUSTED),
        ({1: -7}, {}, CredentialOutcome.KID_NOT_INCLUDED),
        ({4: made.KID}, {}, CredentialOutcome.INVALID_SIGNING_FORMAT),
        ({1: -35, 4: made.KID}, {}, CredentialOutcome.INVALID_SIGNING_FORMAT),  # ES384
        ({1: 5, 4: made.KID}, {}, CredentialOutcome.INVALID_SIGNING_FORMAT),  # HMAC
        (
            {1: -37, 4: made.KID},
            {},
            CredentialOutcome.INVALID_SIGNATURE,
        ),  # PS256 by a key on P-256
        ({1: -37, 4: made.KID}, {1: -7}, CredentialOutcome.INVALID_SIGNATURE),
        ({1: True, 4: made.KID}, {}, CredentialOutcome.INVALID_SIGNING_FORMAT),
        ({1: -7, 4: "text"}, {}, CredentialOutcome.KID_NOT_INCLUDED),
    ],
)
def test_where_headers_disagree_the_protected_one_counts(protected, unprotected, outcome):
    code = made.code(signed(protected=protected, unprotected=unprotected))
    assert judged(code).outcome is outcome


@pytest.mark.parametrize(
    ("more", "outcome"),
    [
        ({"exp": made.SECOND}, made.GENUINE),
        ({"exp": made.SECOND - 1}, CredentialOutcome.EXPIRED),
        ({"exp": made.SECOND + 0.5}, made.GENUINE),
        ({"iat": made.SECOND + 300}, made.GENUINE),
        ({"iat": made.SECOND + 301}, CredentialOutcome.NOT_YET_VALID),
        ({"exp": math.nan}, CredentialOutcome.INVALID_CONTENT),
        ({"exp": math.inf}, CredentialOutcome.INVALID_CONTENT),
        ({"iat": -math.inf}, CredentialOutcome.INVALID_CONTENT),
        ({"exp": "2099-01-01"}, CredentialOutcome.INVALID_CONTENT),
        ({"exp": True}, CredentialOutcome.INVALID_CONTENT),
        ({"exp": None}, CredentialOutcome.INVALID_CONTENT),
    ],
)
def test_both_ends_of_a_validity_belong_to_it_and_an_end_there_must_be(more, outcome):
    code = made.code(signed(made.claims(made.CERTIFICATE, **more)))
    assert judged(code).outcome is outcome


def test_a_number_in_a_date_tag_is_the_number():
    tagged = made.claims(made.CERTIFICATE, exp=cbor2.CBORTag(1, made.SECOND - 1))
    assert judged(made.code(signed(tagged))).outcome is CredentialOutcome.EXPIRED


def test_every_key_of_an_id_is_tried():
    other = made.trusted(made.key(), issuer="XX")
    assert judged(made.dcc(PRIVATE), listed(other, made.trusted(PRIVATE))).issuer == "UT"
    assert (
        judged(made.dcc(PRIVATE), listed(other)).outcome is CredentialOutcome.INVALID_SIGNATURE
    )


def test_a_key_that_was_taken_off_the_list_is_not_one_never_heard_of():
    gone = judged(made.dcc(PRIVATE), listed(made.trusted(PRIVATE, removed=True)))
    assert (gone.outcome, gone.colour) == (CredentialOutcome.TERMINATED_KEYS, Colour.RED)
    unheard = judged(made.dcc(PRIVATE), listed(made.trusted(PRIVATE, kid=b"otherkid")))
    assert (unheard.outcome, unheard.colour) == (
        CredentialOutcome.ISSUER_NOT_TRUSTED,
        Colour.UNKNOWN,
    )


@pytest.mark.parametrize("bits", [2048, 1024])
def test_rsa_signs_from_2048_bits(bits):
    private = rsa.generate_private_key(65537, bits)
    outcome = judged(made.dcc(private), listed(made.trusted(private))).outcome
    assert outcome is (made.GENUINE if bits == 2048 else CredentialOutcome.INVALID_SIGNATURE)


def test_a_key_on_another_curve_signs_nothing():
    other = made.trusted(ec.generate_private_key(ec.SECP384R1()))
    assert (
        judged(made.dcc(PRIVATE), listed(other)).outcome is CredentialOutcome.INVALID_SIGNATURE
    )


@pytest.mark.parametrize(
    ("kinds", "outcome"),
    [
        (None, made.GENUINE),
        (frozenset({EvidenceKind.VACCINATION, EvidenceKind.TEST}), made.GENUINE),
        (frozenset({EvidenceKind.TEST}), CredentialOutcome.KEY_USAGE_MISMATCH),
        (frozenset(), CredentialOutcome.KEY_USAGE_MISMATCH),
    ],
)
def test_a_key_signs_what_it_may(kinds, outcome):
    found = judged(made.dcc(PRIVATE), listed(made.trusted(PRIVATE, kinds=kinds)))
    assert found.outcome is outcome


@pytest.mark.parametrize(
    ("kind", "outcome", "colour"),
    [
        (EvidenceKind.VACCINATION, CredentialOutcome.INVALID_CONTENT, Colour.YELLOW),
        (EvidenceKind.TEST, CredentialOutcome.INVALID_CONTENT, Colour.YELLOW),
        (EvidenceKind.RECOVERY, CredentialOutcome.KEY_USAGE_MISMATCH, Colour.RED),
    ],
)
def test_a_certificate_of_several_things_is_never_green_whoever_signs(kind, outcome, colour):
    both = {**made.CERTIFICATE, "t": [{"tg": "840539006"}]}
    signer = listed(made.trusted(PRIVATE, kinds=frozenset({kind})))
    found = judged(made.dcc(PRIVATE, made.claims(both)), signer, subject=HOLDER)
    assert (found.outcome, found.colour) == (outcome, colour)


def test_a_core_data_set_of_two_things_takes_a_key_for_both():
    said = {"name": "Jane", "vaccine": {"code": "1"}, "test": {"code": "2"}}
    half = frozenset({EvidenceKind.VACCINATION})
    ddcc = listed(made.trusted(PRIVATE, Domain.DDCC, kinds=half))
    assert judged(made.dcc(PRIVATE, said), ddcc).outcome is CredentialOutcome.KEY_USAGE_MISMATCH


def test_a_key_of_one_domain_signs_nothing_of_another():
    yellow_card = {"n": "Jane Citizen", "dob": "1961-05-15", "v": {"dt": "2026-01-02"}}
    code = made.dcc(PRIVATE, made.claims(yellow_card, -6, exp=None))
    assert judged(code).outcome is CredentialOutcome.KEY_USAGE_MISMATCH
    icvp = listed(made.trusted(PRIVATE, Domain.ICVP))
    assert judged(code, icvp).outcome is made.GENUINE  # an end it need not have
    assert judged(code, icvp).scheme is Scheme.WHO_DVC
    assert judged(made.dcc(PRIVATE), icvp).outcome is CredentialOutcome.KEY_USAGE_MISMATCH
    assert judged(made.dcc(PRIVATE), listed(made.trusted(PRIVATE, Domain.SHC))).outcome is (
        CredentialOutcome.ISSUER_NOT_TRUSTED
    )


def test_a_yellow_card_is_valid_to_the_end_of_its_last_day():
    dose = {"dt": "2016-01-02", "vls": "2016-01-12", "vle": "2026-07-01"}
    content = made.claims({"n": "Jane", "dob": "1961", "v": dose}, -6, exp=None)
    code, icvp = made.dcc(PRIVATE, content), listed(made.trusted(PRIVATE, Domain.ICVP))
    assert judged(code, icvp).outcome is made.GENUINE
    assert (
        judged(code, icvp, now=made.NOW + timedelta(hours=12)).outcome
        is CredentialOutcome.EXPIRED
    )


def test_what_a_certificate_calls_undefined_it_does_not_tell():
    """Norway's first ones did."""
    (dose,) = made.CERTIFICATE["v"]

    def shown(**odd):
        content = made.claims({**made.CERTIFICATE, "v": [{**dose, **odd}]})
        return hcert.content(cbor2.dumps(content))

    assert shown(nm=cbor2.undefined).body["v"][0]["nm"] is None
    assert shown(nm=cbor2.undefined).sound
    assert not shown(tg=cbor2.undefined).sound


def test_what_a_core_data_set_calls_undefined_it_does_not_tell():
    said = {"name": "Jane", "birthDate": "1961", "vaccine": {"code": "1"}, "hcid": "1"}
    ddcc = listed(made.trusted(PRIVATE, Domain.DDCC))
    odd = cbor2.undefined
    found = judged(made.dcc(PRIVATE, {**said, "test": odd, "valid_until": odd}), ddcc)
    assert (found.outcome, found.kinds) == (made.GENUINE, {EvidenceKind.VACCINATION})
    silent = made.dcc(PRIVATE, {"name": "Jane", "vaccine": odd})
    assert judged(silent, ddcc).outcome is CredentialOutcome.INVALID_CONTENT


def test_a_signature_that_is_bent_is_revoked_with_the_straight_one():
    code = made.dcc(PRIVATE)
    message = hcert.read(code)
    bent = N - int.from_bytes(message.signature[32:], "big")
    other = message.signature[:32] + bent.to_bytes(32, "big")
    twin = made.code(
        cbor2.dumps([b"\xa2\x01\x26\x04\x48" + made.KID, {}, message.payload, other])
    )
    assert judged(twin).outcome is made.GENUINE
    slices = {made.KID: {HashType.SIGNATURE: Slice.of([trust.digest(message.mark)])}}
    for one in (code, twin):
        found = judged(one, listed(revoked=slices))
        assert (found.outcome, found.colour) == (CredentialOutcome.REVOKED, Colour.RED)


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (HashType.UCI, UCI),
        (HashType.COUNTRY_CODE_UCI, "UT" + UCI),  # who issued it
        (HashType.COUNTRY_CODE_UCI, "AT" + UCI),  # where the dose was given
    ],
)
def test_a_certificate_is_revoked_by_its_identifier(kind, named):
    slices = {made.KID: {kind: Slice.of([trust.digest(named.encode())])}}
    assert (
        judged(made.dcc(PRIVATE), listed(revoked=slices)).outcome is CredentialOutcome.REVOKED
    )
    elsewhere = {b"otherkid": slices[made.KID]}
    assert judged(made.dcc(PRIVATE), listed(revoked=elsewhere)).outcome is made.GENUINE


def test_no_other_id_of_the_same_key_hides_what_was_taken_back():
    renewed = made.trusted(PRIVATE, kid=b"renewed!")
    # nobody signed that id
    code = made.code(signed(protected={1: -7}, unprotected={4: renewed.kid}))
    both = made.trusted(PRIVATE), renewed
    assert judged(code, listed(*both)).outcome is made.GENUINE
    slices = {made.KID: {HashType.UCI: Slice.of([trust.digest(UCI.encode())])}}
    assert judged(code, listed(*both, revoked=slices)).outcome is CredentialOutcome.REVOKED
    denied = Denied(kids=frozenset({made.KID}))
    assert judged(code, listed(*both, denied=denied)).outcome is CredentialOutcome.REVOKED_KEYS


def test_what_the_house_denies_is_refused_whatever_lists_say():
    code = made.dcc(PRIVATE)
    kid = judged(code, listed(denied=Denied(kids=frozenset({made.KID}))))
    assert (kid.outcome, kid.colour) == (CredentialOutcome.REVOKED_KEYS, Colour.RED)
    for one in (hcert.read(code).mark, UCI.encode()):
        denied = Denied(hashes=frozenset({trust.digest(one)}))
        assert judged(code, listed(denied=denied)).outcome is CredentialOutcome.REVOKED


@pytest.mark.parametrize(
    ("age", "colour"),
    [
        (timedelta(hours=24), Colour.GREEN),
        (timedelta(hours=72), Colour.GREEN),
        (timedelta(hours=73), Colour.YELLOW),
        (timedelta(days=8), Colour.UNKNOWN),
    ],
)
def test_a_list_grows_old(age, colour):
    found = judged(made.dcc(PRIVATE), listed(issued_at=made.NOW - age), subject=HOLDER)
    assert found.colour is colour
    assert (found.status is CredentialStatus.GREEN) is (colour is Colour.GREEN)


def test_without_a_list_nothing_is_known():
    found = offline.verify(made.dcc(PRIVATE), None, Context(made.NOW))
    assert (found.outcome, found.colour) == (CredentialOutcome.NO_TRUST_LIST, Colour.UNKNOWN)


def test_rules_are_met_or_not_or_silent():
    def ask(told):
        return judged(made.dcc(PRIVATE), subject=HOLDER, unmet=lambda *_: told)

    assert ask(()).colour is Colour.GREEN
    missed = ask(("VR-1",))
    assert (missed.outcome, missed.colour) == (CredentialOutcome.POLICY_FAILED, Colour.YELLOW)
    assert missed.unmet == ("VR-1",)
    assert (ask(None).policy, ask(None).colour) == (AspectResult.UNKNOWN, Colour.UNKNOWN)


CARD_KEY = made.key()


def card_list(**more):
    return listed(certificates.of_card_issuer(made.jwk(CARD_KEY), made.CARDS), **more)


def test_a_card_is_read_as_text_digits_and_chunks():
    card = made.jws(CARD_KEY)
    digits = made.numeric(card).removeprefix("shc:/")
    half = len(digits) // 4 * 2
    chunks = f"shc:/2/2/{digits[half:]} shc:/1/2/{digits[:half]}"
    file = json.dumps({"verifiableCredential": [card]})
    holder = Subject("ANYPERSON", "JOHN<B", born="1951-01-20")
    for shown in (card, made.numeric(card), chunks, file):
        found = judged(shown, card_list(), subject=holder)
        assert (found.outcome, found.colour) == (CredentialOutcome.VERIFIED, Colour.GREEN)
    assert (
        judged(f"shc:/1/2/{digits[:half]}", card_list()).outcome
        is CredentialOutcome.INVALID_ENCODING
    )


@pytest.mark.parametrize(
    ("head", "outcome"),
    [
        ({"alg": "none"}, CredentialOutcome.INVALID_SIGNING_FORMAT),
        ({"alg": "HS256"}, CredentialOutcome.INVALID_SIGNING_FORMAT),
        ({"zip": None}, CredentialOutcome.INVALID_SIGNING_FORMAT),
        ({"kid": None}, CredentialOutcome.KID_NOT_INCLUDED),
        ({"kid": "other"}, CredentialOutcome.ISSUER_NOT_TRUSTED),
    ],
)
def test_the_header_of_a_card_leaves_no_choice(head, outcome):
    assert judged(made.jws(CARD_KEY, **head), card_list()).outcome is outcome


def test_a_card_of_another_issuer_than_its_keys_is_not_believed():
    card = made.jws(CARD_KEY, {**made.CARD, "iss": "https://other.example.org"})
    assert judged(card, card_list()).outcome is CredentialOutcome.ISSUER_NOT_TRUSTED


@pytest.mark.parametrize("issuer", [[], {}, 1, None])
def test_a_card_whose_issuer_is_no_text_is_not_believed(issuer):
    card = made.jws(CARD_KEY, {**made.CARD, "iss": issuer})
    assert judged(card, card_list()).outcome is CredentialOutcome.ISSUER_NOT_TRUSTED


@pytest.mark.parametrize(("before", "outcome"), [
    (None, CredentialOutcome.REVOKED),
    (made.CARD["nbf"] + 1.0, CredentialOutcome.REVOKED),
    (float(made.CARD["nbf"]), made.GENUINE),
])  # fmt: skip
def test_a_card_is_revoked_by_its_id_and_moment(before, outcome):
    card = made.jws(CARD_KEY, {**made.CARD, "vc": {**made.CARD["vc"], "rid": "abc"}})
    entries = {shc.read(card).kid: {"abc": before}}
    assert judged(card, card_list(revoked_cards=entries)).outcome is outcome


AUTHORITY, SIGNER = made.key(), made.key()
ROOT = made.certificate(AUTHORITY, AUTHORITY, authority=True)
LEAF = made.certificate(SIGNER, AUTHORITY)


def seal_list(**more):
    return listed(certificates.authority(certificates.read(ROOT)), **more)


def test_a_seal_binds_to_the_passport_number():
    holder = Subject("CITIZEN", "JANE<SUE", born="1961-05-15", number="PA0941262")
    found = judged(made.seal(SIGNER, LEAF), seal_list(), subject=holder)
    assert (found.outcome, found.colour) == (CredentialOutcome.VERIFIED, Colour.GREEN)
    assert (found.scheme, found.issuer) == (Scheme.VDS_NC, "UT")
    other = Subject("CITIZEN", "JANE<SUE", born="1961-05-15", number="PB1")
    renewed = judged(made.seal(SIGNER, LEAF), seal_list(), subject=other)
    assert renewed.colour is Colour.YELLOW


def test_a_seal_is_as_good_as_its_signer():
    stranger = made.key()
    self_made = made.certificate(SIGNER, stranger)
    assert (
        judged(made.seal(SIGNER, self_made), seal_list()).outcome
        is CredentialOutcome.ISSUER_NOT_TRUSTED
    )
    other = made.certificate(SIGNER, AUTHORITY, usages=())
    assert (
        judged(made.seal(SIGNER, other), seal_list()).outcome
        is CredentialOutcome.KEY_USAGE_MISMATCH
    )
    assert (
        judged(made.seal(stranger, LEAF), seal_list()).outcome
        is CredentialOutcome.INVALID_SIGNATURE
    )
    broken = bytearray(LEAF)
    broken[-1] ^= 1
    assert (
        judged(made.seal(SIGNER, bytes(broken)), seal_list()).outcome
        is CredentialOutcome.INVALID_SIGNATURE
    )
    denied = Denied(kids=frozenset({certificates.read(LEAF).kid}))
    assert (
        judged(made.seal(SIGNER, LEAF), seal_list(denied=denied)).outcome
        is CredentialOutcome.REVOKED_KEYS
    )
    late = judged(made.seal(SIGNER, LEAF), seal_list(), now=made.NOW + timedelta(days=366))
    assert CredentialOutcome.EXPIRED_KEYS in late.reasons


def _bent(leaf):
    """(r, n - s) in place of (r, s): as good a signature of the authority."""
    read = certificates.read(leaf)
    r, s = utils.decode_dss_signature(read.signature)
    return _written(read.signed, read.algorithm, utils.encode_dss_signature(r, N - s))


def _padded(leaf):
    """A length written longer than it need be."""
    return b"\x30\x83\x00" + leaf[2:]


def _unnamed(leaf):
    """Another algorithm named where nobody signs it."""
    read = certificates.read(leaf)
    return _written(
        read.signed, read.algorithm[:1] + b"\x0c" + read.algorithm[2:] + b"\5\0", read.signature
    )


def _written(*parts):
    signed, algorithm, signature = parts
    bits = b"\x03" + bytes([len(signature) + 1]) + b"\0" + signature
    content = signed + algorithm + bits
    return b"\x30\x82" + len(content).to_bytes(2, "big") + content


def test_a_signer_whose_certificate_a_strict_reader_refuses_counts():
    """NULL behind an algorithm that has no parameters: so do Japan's certificates."""
    plain = bytes.fromhex("300a06082a8648ce3d040302")
    named = b"\x30\x0c" + plain[2:] + b"\5\0"
    content = certificates.read(LEAF).signed[4:].replace(plain, named)
    body = b"\x30\x82" + len(content).to_bytes(2, "big") + content
    odd = _written(body, named, AUTHORITY.sign(body, ec.ECDSA(hashes.SHA256())))
    with pytest.raises(ValueError, match="signature_alg"):
        x509.load_der_x509_certificate(odd)
    assert judged(made.seal(SIGNER, odd), seal_list()).outcome is made.GENUINE


@pytest.mark.parametrize("bend", [_bent, _padded, _unnamed])
def test_a_signer_whose_certificate_is_bent_is_denied_with_the_straight_one(bend):
    kid, bent = certificates.read(LEAF).kid, bend(LEAF)
    assert certificates.read(bent).kid != kid
    seal = made.seal(SIGNER, bent)
    assert judged(seal, seal_list()).outcome is made.GENUINE
    denied = Denied(kids=frozenset({kid}))
    assert judged(seal, seal_list(denied=denied)).outcome is CredentialOutcome.REVOKED_KEYS
    named = trust.digest(made.SEAL["msg"]["uvci"].encode())
    slices = {kid: {HashType.UCI: Slice.of([named])}}
    assert judged(seal, seal_list(revoked=slices)).outcome is CredentialOutcome.REVOKED


def test_an_authority_vouches_as_long_as_it_is_one():
    root, seal = certificates.authority(certificates.read(ROOT)), made.seal(SIGNER, LEAF)
    hour = timedelta(hours=1)
    for more in ({"not_after": made.NOW - hour}, {"not_before": made.NOW + hour}):
        found = judged(seal, listed(replace(root, **more)))
        assert (found.outcome, found.validity) == (
            CredentialOutcome.EXPIRED_KEYS,
            AspectResult.NO,
        )
    gone, renewed = (
        replace(root, issuer="XX", removed=True),
        replace(root, not_after=made.NOW - hour),
    )
    assert judged(seal, listed(gone, renewed, root)).outcome is made.GENUINE
    assert judged(seal, listed(gone, root)).issuer == "UT"


def test_a_number_that_has_two_spellings_is_in_no_seal():
    data = {**made.SEAL, "msg": {**made.SEAL["msg"], "x": 1.5}}
    assert (
        judged(made.seal(SIGNER, LEAF, data), seal_list()).outcome
        is CredentialOutcome.INVALID_CONTENT
    )


@pytest.mark.parametrize(
    "text", ["shlink:/eyJ1cmwi", "vhlink:/eyJ1cmwi", "https://a.example", "", "HC1"]
)
def test_links_and_nonsense_are_not_followed(text):
    assert judged(text).outcome is CredentialOutcome.NOT_SUPPORTED


EVERY = listed(
    made.trusted(PRIVATE),
    certificates.of_card_issuer(made.jwk(CARD_KEY), made.CARDS),
    certificates.authority(certificates.read(ROOT)),
)


def test_hostile_texts_get_an_answer():
    for name, text in _hostile.texts(random.Random(1)):
        assert judged(text, EVERY).outcome is not made.GENUINE, name


@pytest.mark.parametrize("make", [
    lambda: made.dcc(PRIVATE),
    lambda: made.jws(CARD_KEY),
    lambda: made.numeric(made.jws(CARD_KEY)),
    lambda: json.dumps({"verifiableCredential": [made.jws(CARD_KEY)] * 2}),
    lambda: made.seal(SIGNER, LEAF),
])  # fmt: skip
def test_no_damage_makes_another_credential(make):
    code = make()
    assert judged(code, EVERY).outcome is made.GENUINE
    _mutating.tried(code, EVERY, Context(made.NOW), 400, seed=222)


@pytest.mark.parametrize(
    ("code", "claimed"),
    [
        (made.dcc(PRIVATE, {**made.claims(made.CERTIFICATE), 1: "FR"}), "FR"),
        (made.dcc(PRIVATE, {**made.claims(made.CERTIFICATE), 1: "ring me: 555"}), None),
        (made.jws(CARD_KEY), made.CARDS),
        (made.seal(SIGNER, LEAF), "UTO"),
    ],
)
def test_an_issuer_not_on_the_list_is_told_if_it_looks_like_one(code, claimed):
    nobody = TrustList(3, made.NOW, made.NOW + timedelta(days=7), {})
    found = judged(code, nobody)
    assert (found.outcome, found.issuer) == (CredentialOutcome.ISSUER_NOT_TRUSTED, None)
    assert found.claimed_issuer == claimed
