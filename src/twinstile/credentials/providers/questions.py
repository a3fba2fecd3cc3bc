"""What is sent to an online provider: members filled in, signed, written as its form asks."""

import hashlib
import hmac
import json
import re
import secrets
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from twinstile.credentials.providers.profiles import ProviderProfile, Recipe, Signing, templates

LEAST_SECRET: Final = 16
LEAST_MODULUS: Final = 2048
_PLACE: Final = re.compile(r"\{([A-Za-z0-9_]+)\}", re.ASCII)

Sign = Callable[[Mapping[str, str]], str]
"""The signature of members."""


class SecretUnusable(ValueError):
    """A provider's secret cannot sign by its recipe here. Says why, never what it was."""


@dataclass(frozen=True, slots=True)
class ProviderQuestion:
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


def ask(
    profile: ProviderProfile, sign: Sign, text: str, parameters: Mapping[str, str], at: datetime
) -> ProviderQuestion:
    """The request about a code's text; `missing` parameters are a `KeyError`."""
    known = {
        **parameters,
        "text": text,
        "nonce": secrets.token_hex(16),
        "timestamp": _stamp(profile, at),
    }
    members = {
        name: _filled(one, known)
        if isinstance(one, str)
        else _json({inner: _filled(each, known) for inner, each in one.items()})
        for name, one in profile.asking.members.items()
    }
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    signing = profile.signing
    if signing.recipe is not Recipe.NONE:
        (headers if signing.place == "header" else members)[signing.name] = sign(members)
    if profile.asking.form == "form":
        headers["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8"
        return ProviderQuestion(headers, urlencode(members).encode())
    headers["Content-Type"] = "application/json"
    return ProviderQuestion(headers, _json(members).encode())


def missing(profile: ProviderProfile, parameters: Mapping[str, str]) -> list[str]:
    """Names in the profile's templates that nobody fills."""
    known = {*parameters, "text", "nonce", "timestamp"}
    written = templates(profile.asking.members)
    return sorted({name for one in written for name in _PLACE.findall(one)} - known)


def signer(signing: Signing, secret: bytes) -> Sign:
    """Raises `SecretUnusable`."""
    if signing.recipe is not Recipe.NONE and len(secret) < LEAST_SECRET:
        raise SecretUnusable(f"a secret has at least {LEAST_SECRET} bytes")
    joins = {str(signing.joined_as): secret.decode("utf-8", "replace")} if signing.joins else {}
    digest = _digest(signing.recipe, secret)

    def sign(members: Mapping[str, str]) -> str:
        signed = "&".join(
            f"{name}={value}"
            for name, value in sorted({**members, **joins}.items())
            if value or not signing.leave_empty_out
        )
        found = digest(signed.encode())
        return found.upper() if signing.upper else found

    return sign


def _digest(recipe: Recipe, secret: bytes) -> Callable[[bytes], str]:
    match recipe:
        case Recipe.NONE:
            return lambda _: ""
        case Recipe.HMAC_SHA256:
            return lambda signed: hmac.new(secret, signed, "sha256").hexdigest()
        case Recipe.HMAC_SM3:
            if "sm3" not in hashlib.algorithms_available:
                raise SecretUnusable("this machine's OpenSSL has no sm3")
            return lambda signed: hmac.new(secret, signed, "sm3").hexdigest()
        case Recipe.SHA256_CONCAT:
            return lambda signed: hashlib.sha256(signed).hexdigest()
        case Recipe.MD5_CONCAT:
            return lambda signed: hashlib.md5(signed, usedforsecurity=False).hexdigest()
        case Recipe.RSA_SHA256:
            key = _rsa(secret)
            return lambda signed: b64encode(
                key.sign(signed, PKCS1v15(), hashes.SHA256())
            ).decode()


def _rsa(secret: bytes) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(secret, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise SecretUnusable("no private key in PEM") from None
    if not isinstance(key, RSAPrivateKey) or key.key_size < LEAST_MODULUS:
        raise SecretUnusable(f"an RSA key of at least {LEAST_MODULUS} bits")
    return key


def _filled(template: str, values: Mapping[str, str]) -> str:
    # in one pass: what a code says is never a template
    return _PLACE.sub(lambda place: values[place[1]], template)


def _json(members: Mapping[str, str]) -> str:
    return json.dumps(members, ensure_ascii=False, separators=(",", ":"))


def _stamp(profile: ProviderProfile, at: datetime) -> str:
    match profile.asking.timestamp:
        case "seconds":
            return str(int(at.timestamp()))
        case "milliseconds":
            return str(int(at.timestamp() * 1000))
        case "local":
            return f"{at.astimezone(profile.timezone):%Y-%m-%d %H:%M:%S}"
