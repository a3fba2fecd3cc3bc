"""The hub's own authority: what it signs, for whom it is good, and who reads its keys."""

import socket
import ssl
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from twinstile.platform.security import tls
from twinstile.platform.security.tls import TlsError

NOW = datetime.now(UTC)
NAMES = tls.parsed(["hub-east.local", "10.0.0.2"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data" / "tls"
    tls.make(made, "East <&> 东站", NAMES, NOW)
    return made


def shaken(server_file: Path, authority: bytes, name: str) -> str:
    """The version of TLS a client agrees on that trusts the authority and asks for the name."""
    serving, trusting = tls.context(server_file), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.load_verify_locations(cadata=ssl.DER_cert_to_PEM_cert(authority))
    here, there = socket.socketpair()

    def answer() -> None:
        try:
            serving.wrap_socket(here, server_side=True).close()
        except OSError:
            here.close()

    other = threading.Thread(target=answer)
    other.start()
    try:
        with trusting.wrap_socket(there, server_hostname=name) as spoken:
            return spoken.version() or ""
    finally:
        there.close()
        other.join()


@pytest.mark.parametrize("name", ["hub-east.local", "10.0.0.2"])
def test_a_client_that_trusts_the_authority_reaches_the_server(folder: Path, name: str) -> None:
    file = folder / "server.pem"
    assert shaken(file, tls.authority(folder).der, name) == "TLSv1.3"


@pytest.mark.parametrize("name", ["bank.example", "10.0.0.3", "sub.other.local"])
def test_it_is_good_for_no_other_name(folder: Path, name: str) -> None:
    file = folder / "server.pem"
    with pytest.raises(ssl.SSLCertVerificationError):
        shaken(file, tls.authority(folder).der, name)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (["hub-east.local", "10.0.0.2"], "bank.example"),
        (["hub-east.local", "10.0.0.2"], "10.0.0.3"),
        (["hub-east.local"], "10.0.0.2"),
        (["10.0.0.2"], "bank.example"),
    ],
)
def test_a_thief_of_the_key_can_sign_for_no_other_name(
    tmp_path: Path, given: list[str], name: str
) -> None:
    """What the authority's key signs outside its bounds is refused by the client."""
    tls.make(tmp_path, "hub", tls.parsed(given), NOW)
    tls.renew(tmp_path, tls.parsed([name]), NOW)
    with pytest.raises(ssl.SSLCertVerificationError, match="subtree"):
        shaken(tmp_path / "server.pem", tls.authority(tmp_path).der, name)


def test_keys_are_closed_to_others_and_nothing_is_made_twice(folder: Path) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes.keys() == {"hub-ca.crt", "hub-ca.key", "server.pem"}
    assert modes["hub-ca.key"] == modes["server.pem"] == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    before = tls.authority(folder).fingerprint
    with pytest.raises(TlsError, match="tls renew"):
        tls.make(folder, "hub", NAMES, NOW)
    assert tls.authority(folder).fingerprint == before


def test_renewal_keeps_the_authority_and_makes_a_new_key(folder: Path) -> None:
    before, authority = (folder / "server.pem").read_bytes(), tls.authority(folder)
    later = NOW + timedelta(days=370)
    assert not tls.server(folder / "server.pem").due(NOW)
    assert tls.server(folder / "server.pem").due(later)
    tls.renew(folder, tls.server(folder / "server.pem").names, later)
    renewed = tls.server(folder / "server.pem")
    assert renewed.names == NAMES
    assert not renewed.due(later)
    assert tls.authority(folder) == authority
    key = serialization.load_pem_private_key
    assert key(before, None) != key((folder / "server.pem").read_bytes(), None)
    (folder / "hub-ca.key").unlink()  # kept elsewhere
    with pytest.raises(TlsError, match=r"hub-ca\.key"):
        tls.renew(folder, NAMES, later)
    assert tls.server(folder / "server.pem") == renewed


def test_no_certificate_outlives_its_authority(folder: Path) -> None:
    last = tls.authority(folder).ends_at - timedelta(days=10)
    tls.renew(folder, NAMES, last)
    assert tls.server(folder / "server.pem").ends_at <= tls.authority(folder).ends_at


@pytest.mark.parametrize(
    "given",
    [
        [],
        [""],
        ["hub east"],
        ["https://hub"],
        ["-hub"],
        ["a" * 64],
        ["hub_east"],
        ["*.local"],
        ["中"],
        [f"h{n}" for n in range(21)],
        ["hub\n"] * 1 + ["x/y"],
    ],
)
def test_what_is_no_name_is_refused(given: list[str]) -> None:
    with pytest.raises(TlsError):
        tls.parsed(given)


def test_names_are_taken_as_people_write_them() -> None:
    names = tls.parsed([" Hub-East.Local. ", "hub-east.local", "::1", "[fd00::2]", "10.0.0.2"])
    assert names.all == ("hub-east.local", "[::1]", "[fd00::2]", "10.0.0.2")


@pytest.mark.parametrize("content", [b"", b"no pem", b"-----BEGIN CERTIFICATE-----\nAA\n"])
def test_a_file_that_is_no_certificate_is_told(folder: Path, content: bytes) -> None:
    (folder / "server.pem").write_bytes(content)
    for read in (tls.server, tls.context):
        with pytest.raises(TlsError, match=r"server\.pem"):
            read(folder / "server.pem")


def test_the_authority_signs_servers_only(folder: Path) -> None:
    found = x509.load_der_x509_certificate(tls.authority(folder).der)
    assert found.extensions.get_extension_for_class(x509.BasicConstraints).critical
    bounds = found.extensions.get_extension_for_class(x509.NameConstraints)
    assert bounds.critical
    assert isinstance(found.public_key(), ec.EllipticCurvePublicKey)
    assert found.fingerprint(hashes.SHA256()).hex() == (
        tls.authority(folder).fingerprint.replace(":", "").lower()
    )
