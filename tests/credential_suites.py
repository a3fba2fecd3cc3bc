"""The public vectors of health credentials as cases, read where they lie; none is copied.

A vector counts as its makers state. Of those in KNOWN_ISSUES.json, which are wrong or disputed,
the disputed statements are explained: they are tried, and fail nothing.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from suites import Case

from twinstile.credentials import certificates, offline, trust
from twinstile.credentials.certificates import UnusableKey
from twinstile.credentials.codecs import base45, bounded, cose, hcert, shc, vds_nc
from twinstile.credentials.trust import Domain, TrustList
from twinstile.credentials.types import Assessment, Context, Outcome, Refused, Scheme

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

Vector = Mapping[str, object]


def eu_certificates(data: Path) -> Iterator[Case]:
    """EU certificates: each step and each check of which a vector states how it ends."""
    for path, vector in vectors_of_the_eu(data):
        expected = vector["EXPECTEDRESULTS"]
        for name, judge in JUDGES.items():
            if isinstance(expected.get(name), bool):
                yield Case(
                    f"{path} {name}", expected[name], partial(judge, vector), _known(path, name)
                )
        if "COMPRESSED" in vector and expected.get("EXPECTEDB45DECODE"):
            yield Case(
                f"{path} COMPRESSED",
                expected=True,
                judge=lambda v=vector: packed(v) == _bytes(v["COMPRESSED"]),
            )


def vectors_of_the_eu(data: Path) -> Iterator[tuple[str, dict]]:
    lines = (data / "credentials/eu-dcc/dgc-testdata.jsonl").read_text("utf-8").splitlines()
    return ((one["path"], one["vector"]) for one in map(json.loads, lines))


def judged(vector: Vector) -> Assessment:
    """By a list of the one key that the vector brings, at the moment it states."""
    believed, moment = believing(vector)
    return offline.verify(vector["PREFIX"], believed, Context(moment))


def believing(vector: Vector) -> tuple[TrustList, datetime]:
    """That list, and that moment."""
    moment = datetime.fromisoformat(vector["TESTCTX"].get("VALIDATIONCLOCK") or "2021-07-01")
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    der = base64.b64decode(vector["TESTCTX"]["CERTIFICATE"])
    try:
        keys = [certificates.signer(certificates.read(der), Domain.EU_DCC, "XX")]
    except UnusableKey:
        keys = []
    return listed(moment, *keys), moment


def listed(moment: datetime, *keys: trust.TrustedKey, **more: object) -> TrustList:
    return TrustList(1, moment, moment + timedelta(days=1), trust.by_kid(keys), **more)


def packed(vector: Vector) -> bytes:
    return base45.decode(vector["PREFIX"].removeprefix("HC1:"))


def _bytes(written: str) -> bytes:
    """As most countries write them, and as one does."""
    try:
        return bytes.fromhex(written)
    except ValueError:
        return base64.b64decode(written, validate=True)


def _unprefixed(vector: Vector) -> None:
    if offline.detect(vector["PREFIX"]) is not Scheme.HCERT:
        raise Refused(Outcome.NOT_SUPPORTED)


def _inflated(vector: Vector) -> bytes:
    return bounded.inflate(packed(vector), limit=hcert.MOST_INFLATED, window=15)


def _content(vector: Vector) -> hcert.Content:
    return hcert.content(cose.read(_inflated(vector), Scheme.HCERT).payload)


def _passes(step: Callable[[Vector], object], vector: Vector) -> bool:
    try:
        step(vector)
    except Refused:
        return False
    return True


def _sound(vector: Vector) -> bool:
    """By itself: a vector may have a form and no signature that holds."""
    return _passes(_content, vector) and _content(vector).sound


def _holds(against: frozenset[Outcome], vector: Vector) -> bool:
    return against.isdisjoint(judged(vector).reasons)


def _says(vector: Vector) -> bool:
    return plain(dict(_content(vector).body)) == plain(vector["JSON"])


def plain(value: object) -> object:
    """Without what JSON cannot tell apart: one moment in two spellings, 2 and 2.0."""
    match value:
        case dict():
            return {name: plain(inner) for name, inner in value.items()}
        case list():
            return [plain(inner) for inner in value]
        case str() if re.match(r"\d{4}-\d\d-\d\dT", value):
            try:
                moment = datetime.fromisoformat(value)
            except ValueError:
                return value
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        case _:
            return value


JUDGES: Mapping[str, Callable[[Vector], bool]] = {
    "EXPECTEDUNPREFIX": partial(_passes, _unprefixed),
    "EXPECTEDB45DECODE": partial(_passes, packed),
    "EXPECTEDCOMPRESSION": partial(_passes, _inflated),
    "EXPECTEDDECODE": partial(_passes, _content),
    "EXPECTEDVALIDJSON": _says,
    "EXPECTEDVERIFY": partial(
        _holds,
        frozenset(
            {
                Outcome.INVALID_SIGNATURE,
                Outcome.ISSUER_NOT_TRUSTED,
                Outcome.INVALID_SIGNING_FORMAT,
            }
        ),
    ),
    "EXPECTEDKEYUSAGE": partial(_holds, frozenset({Outcome.KEY_USAGE_MISMATCH})),
    "EXPECTEDEXPIRATIONCHECK": partial(
        _holds, frozenset({Outcome.EXPIRED, Outcome.NOT_YET_VALID})
    ),
    "EXPECTEDSCHEMAVALIDATION": _sound,
}


def _known(path: str, name: str) -> bool:
    return any(name in names for like, names in DISPUTED.items() if re.fullmatch(like, path))


def cards(data: Path) -> Iterator[Case]:
    """SMART Health Cards: those of the specification in each form, those faulty on purpose."""
    folder = data / "credentials/shc"
    believed = cards_listed(folder / "spec-examples")
    for signed in sorted((folder / "spec-examples").glob("example-*-d-jws.txt")):
        card = signed.name.removesuffix("-d-jws.txt")
        shown = json.loads(
            (signed.parent / f"{card}-c-jws-payload-minified.json").read_text("utf-8")
        )
        yield Case(f"{card} content", shown, partial(_card_says, signed))
        revoked = shown["vc"].get("rid") in next(iter(believed.revoked_cards.values()))
        ends = Outcome.REVOKED if revoked else Outcome.SUBJECT_UNCONFIRMED
        for form in ("d-jws.txt", "e-file.smart-health-card", "f-qr"):
            paths = sorted(signed.parent.glob(f"{card}-{form}*"))
            yield Case(f"{card} {form}", ends, partial(_card, believed, *paths))
    stated = json.loads((folder / "dev-tools/EXPECTED.json").read_text("utf-8"))["expected"]
    for name, said in stated.items():
        path = folder / "dev-tools" / name
        yield Case(
            f"{name}: {said}",
            _VALID.search(said) is not None,
            lambda p=path: _card(believed, p) is Outcome.SUBJECT_UNCONFIRMED,
            "warning" in said,
        )


_VALID = re.compile(r"\b(?:valid|accepted|warning)\b")
"""In what is stated of a card; whether one with a warning counts its makers leave open."""


def cards_listed(folder: Path) -> TrustList:
    keys = json.loads((folder / "issuer.jwks.json").read_text("utf-8"))["keys"]
    crl = json.loads((folder / "issuer.crl.json").read_text("utf-8"))
    revoked = {}
    for entry in crl["rids"]:
        rid, _, second = entry.partition(".")
        revoked[rid] = float(second) if second else None
    read = [certificates.of_card_issuer(one, CARDS) for one in keys]
    return listed(CLOCK, *read, revoked_cards={crl["kid"].encode(): revoked})


def _card(believed: TrustList, *paths: Path) -> Outcome:
    text = "\n".join(path.read_text("utf-8") for path in paths)
    return offline.verify(text, believed, Context(CLOCK)).outcome


def _card_says(signed: Path) -> object:
    message = shc.read(signed.read_text("utf-8"))
    return dict(shc.content(message.payload, {CARDS}).body)


def who_codes(data: Path) -> Iterator[Case]:
    """WHO's codes: what they hold, and that none is of anybody who is on an empty list."""
    folder = data / "credentials/who-hcert"
    for path in sorted(folder.glob("*.txt")):
        text = path.read_text("utf-8").rstrip("\r\n")
        if not text.startswith(hcert.PREFIX):
            continue
        stem = path.stem.removesuffix("Contents")
        yield Case(f"{stem} trust", Outcome.ISSUER_NOT_TRUSTED, partial(_of_a_stranger, text))
        if (beside := folder / f"{stem}Unpacked.json").is_file():
            said = json.loads(beside.read_text("utf-8"))
            yield from _who_says(stem, text, said)


def _who_says(stem: str, text: str, said: dict) -> Iterator[Case]:
    contents = said["contents"]
    claims = contents.get("-260", {})
    (sub, shown), *_ = *claims.items(), ("", contents)
    scheme = _SCHEMES.get(sub, Scheme.WHO_DDCC)
    yield Case(f"{stem} scheme", scheme, lambda: _unpacked(text).scheme)
    yield Case(f"{stem} content", shown, lambda: dict(_unpacked(text).body))
    yield Case(f"{stem} key id", _kid(said), partial(_names_key, text))


def _names_key(text: str) -> str:
    return hcert.read(text).kid.hex()


_SCHEMES = {"1": Scheme.EU_DCC, "-6": Scheme.WHO_DVC}
"""By sub-claim."""


def _unpacked(text: str) -> hcert.Content:
    return hcert.content(hcert.read(text).payload)


def _kid(said: dict) -> str:
    shown = said["protectedAttributes"].get("4") or said["unprotectedAttributes"]["4"]
    plain = shown.replace("+", "-").replace("/", "_")
    return base64.urlsafe_b64decode(plain + "=" * (-len(shown) % 4)).hex()


def _of_a_stranger(text: str) -> Outcome:
    return offline.verify(text, listed(CLOCK), Context(CLOCK)).outcome


def seals(data: Path) -> Iterator[Case]:
    """Visible digital seals: signed by the certificate they bring, which nobody vouches for."""
    folder = data / "credentials/vds-nc"
    for path in sorted(folder.glob("*Contents.txt")):
        stem = path.name.removesuffix("Contents.txt")
        text = path.read_text("utf-8")
        yield Case(f"{stem} signature", expected=True, judge=partial(_sealed, text))
        for name, shown in (("as it is", text), ("and a line end", text + "\n")):
            yield Case(
                f"{stem} {name}", Outcome.ISSUER_NOT_TRUSTED, partial(_of_a_stranger, shown)
            )
        if (beside := folder / f"{stem}Unpacked.json").is_file():
            said = json.loads(beside.read_text("utf-8"))
            yield Case(
                f"{stem} content",
                said["data"]["msg"],
                lambda t=text: dict(vds_nc.content(vds_nc.read(t).message.payload).body),
            )


def _sealed(text: str) -> bool:
    seal = vds_nc.read(text)
    signer = certificates.signer(certificates.read(seal.certificate), Domain.VDS_NC)
    return offline.verifies(seal.message, signer.spki)


SUITES: Mapping[str, Callable[[Path], Iterator[Case]]] = {
    "dcc": eu_certificates,
    "shc": cards,
    "who": who_codes,
    "vds-nc": seals,
}
