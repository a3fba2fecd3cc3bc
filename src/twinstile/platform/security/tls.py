"""HTTPS in a closed hub: an authority of the hub's own, and the certificate of its server.

Browsers work offline, scan by camera and keep secrets over HTTPS only, and no public authority
signs names of a closed network. The authority is good for the names it was made for and no
others (RFC 5280, 4.2.1.10): whoever steals its key cannot pose as a bank to the tablets that
trust it.
"""

import contextlib
import ipaddress
import os
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LASTS: Final = timedelta(days=3650)
SERVER_LASTS: Final = timedelta(days=397)
"""As long as browsers take a certificate for at most."""
RENEW_BEFORE: Final = timedelta(days=30)
MOST_NAMES: Final = 20
AUTHORITY: Final = "hub-ca"
SERVER: Final = "server"

_LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*", re.ASCII)
_EARLIER: Final = timedelta(hours=1)
"""A tablet's clock may be behind ours."""

Address: TypeAlias = IPv4Address | IPv6Address


class TlsError(Exception):
    """Nothing was made; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Names:
    """What a server is called: names, and addresses where there is no name service."""

    hosts: tuple[str, ...]
    addresses: tuple[Address, ...]

    @property
    def all(self) -> tuple[str, ...]:
        """As they stand in an address of the web."""
        wrapped = (f"[{a}]" if a.version == 6 else str(a) for a in self.addresses)
        return (*self.hosts, *wrapped)


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """The certificate of the server."""

    names: Names
    ends_at: datetime

    def due(self, at: datetime) -> bool:
        """Whether it should be renewed by now."""
        return at > self.ends_at - RENEW_BEFORE


@dataclass(frozen=True, slots=True)
class Authority:
    """The authority's certificate, as devices install it: DER, and the SHA-256 they show."""

    ends_at: datetime
    fingerprint: str
    der: bytes


def parsed(names: Sequence[str]) -> Names:
    """The names and addresses as given by people. Raises `TlsError`."""
    hosts: dict[str, None] = {}
    addresses: dict[Address, None] = {}
    for one in names:
        said = one.strip().lower().removesuffix(".")
        try:
            addresses[ipaddress.ip_address(said.strip("[]"))] = None
        except ValueError:
            if len(said) > 253 or not _HOST.fullmatch(said):
                raise TlsError(f"{one!r} is no host name and no address.") from None
            hosts[said] = None
    if not 0 < len(hosts) + len(addresses) <= MOST_NAMES:
        raise TlsError(f"Name 1 to {MOST_NAMES} host names or addresses of this server.")
    return Names(tuple(hosts), tuple(addresses))


def make(folder: Path, hub_name: str, names: Names, at: datetime) -> None:
    """Make the authority and the server's certificate. Raises `TlsError` if there is one."""
    if (folder / f"{AUTHORITY}.crt").exists():
        raise TlsError(
            f"There is an authority in {folder}, which devices may trust: renew the server's "
            "certificate with `twinstile tls renew`. For other names move that folder away; "
            "then every device must install the new one."
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    _write_key(folder, AUTHORITY, key)
    _write(folder / f"{AUTHORITY}.crt", _pem(_authority(key, hub_name, names, at)), 0o644)
    renew(folder, names, at)


def renew(folder: Path, names: Names, at: datetime) -> None:
    """Sign a new certificate for a new key of the server; a service takes it up as it runs.

    Raises `TlsError` where there is no authority, or its key was taken away.
    """
    issuer = _certificate(folder / f"{AUTHORITY}.crt")
    signing = _read_key(folder / f"{AUTHORITY}.key")
    key = ec.generate_private_key(ec.SECP256R1())
    signed = _server(key, issuer, signing, names, at)
    # one file for both, so that no reader finds a key and a certificate of another
    chain = _pem(signed) + _pem(issuer) + _plain(key)
    _write(folder / f"{SERVER}.pem", chain, 0o600)


def server(file: Path) -> ServerCertificate:
    """The certificate to serve with. Raises `TlsError`."""
    found = _certificate(file)
    return ServerCertificate(_names(found), found.not_valid_after_utc)


def _names(certificate: x509.Certificate) -> Names:
    try:
        called = certificate.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        ).value
    except x509.ExtensionNotFound:
        return Names((), ())
    reached = called.get_values_for_type(x509.IPAddress)
    addresses = tuple(a for a in reached if isinstance(a, IPv4Address | IPv6Address))
    return Names(tuple(called.get_values_for_type(x509.DNSName)), addresses)


def authority(folder: Path) -> Authority:
    """What devices are to trust. Raises `TlsError` where there is none."""
    found = _certificate(folder / f"{AUTHORITY}.crt")
    printed = found.fingerprint(hashes.SHA256()).hex(":").upper()
    der = found.public_bytes(serialization.Encoding.DER)
    return Authority(found.not_valid_after_utc, printed, der)


def context(file: Path) -> ssl.SSLContext:
    """What a server speaks with: the key and the certificates of that file, TLS 1.2 or newer.

    Raises `TlsError`.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(["http/1.1"])
    load(made, file)
    return made


def load(context: ssl.SSLContext, file: Path) -> None:
    """Let new connections have what the file holds now. Raises `TlsError`."""
    try:
        context.load_cert_chain(file)
    except (OSError, ssl.SSLError) as error:
        why = error.strerror or type(error).__name__
        raise TlsError(f"{file}: no key with its certificate can be read ({why}).") from error


def _authority(
    key: ec.EllipticCurvePrivateKey, hub_name: str, names: Names, at: datetime
) -> x509.Certificate:
    called = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, f"{hub_name[:40]} - hub authority")]
    )
    return (
        _begun(called, called, key, at, AUTHORITY_LASTS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(_for_servers(), critical=False)
        .add_extension(_bounds(names), critical=True)
        .sign(key, hashes.SHA256())
    )


def _bounds(names: Names) -> x509.NameConstraints:
    """These names and addresses; of a kind that has none, nothing at all."""
    permitted: list[x509.GeneralName] = [x509.DNSName(host) for host in names.hosts]
    permitted += [x509.IPAddress(ipaddress.ip_network(address)) for address in names.addresses]
    excluded: list[x509.GeneralName] = []
    if not names.hosts:
        excluded.append(x509.DNSName(""))
    if not names.addresses:
        excluded.append(x509.IPAddress(IPv4Network("0.0.0.0/0")))
        excluded.append(x509.IPAddress(IPv6Network("::/0")))
    return x509.NameConstraints(permitted, excluded or None)


def _server(
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate,
    signing: ec.EllipticCurvePrivateKey,
    names: Names,
    at: datetime,
) -> x509.Certificate:
    called = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names.all[0][:64])])
    spoken = [x509.DNSName(host) for host in names.hosts]
    reached = [x509.IPAddress(address) for address in names.addresses]
    lasts = min(SERVER_LASTS, issuer.not_valid_after_utc - at)
    return (
        _begun(called, issuer.subject, key, at, lasts)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(_for_servers(), critical=False)
        .add_extension(x509.SubjectAlternativeName([*spoken, *reached]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()),
            critical=False,
        )
        .sign(signing, hashes.SHA256())
    )


def _begun(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    at: datetime,
    lasts: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - _EARLIER)
        .not_valid_after(at + lasts)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
        )
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _for_servers() -> x509.ExtendedKeyUsage:
    return x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])


def _certificate(file: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(file.read_bytes())
    except FileNotFoundError:
        raise TlsError(f"{file} is not there: `twinstile tls init` makes it.") from None
    except (OSError, ValueError) as error:
        raise TlsError(f"{file} cannot be read as a certificate.") from error


def _read_key(file: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), None)
    except FileNotFoundError:
        raise TlsError(f"{file} is not there: bring it back to renew.") from None
    except (OSError, ValueError) as error:
        raise TlsError(f"{file} cannot be read as a key.") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TlsError(f"{file} is no key of ours.")
    return key


def _write_key(folder: Path, name: str, key: ec.EllipticCurvePrivateKey) -> None:
    _write(folder / f"{name}.key", _plain(key), 0o600)


def _plain(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Whole or not at all, and never open to others on the way."""
    beside = path.with_suffix(".new")
    with contextlib.suppress(FileNotFoundError):
        beside.unlink()
    opened = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(opened, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
