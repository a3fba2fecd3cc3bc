"""A directory signed by a key that the operator has laid beside vouches for its issuers."""

import datetime as dt
from pathlib import Path

import _issuing as made
import pytest
from credential_issuers import SIGNERS, decide
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hubs import Hub
from test_sources import ask, directory, kept, stands
from trust_list_publishers import Publisher, fetch, publisher, source
from vectors import DATA, needed

from twinstile.credentials.sources import signatures
from twinstile.platform.ops import clock
from twinstile.platform.ops.config_files import InvalidFile

__all__ = ["publisher"]

HOUR = dt.timedelta(hours=1)


def pem(key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.PEM, form)


async def test_issuers_that_a_known_directory_adds_are_in_force_and_forged_ones_are_not(
    hub: Hub, publisher: Publisher, tmp_path: Path
) -> None:
    private = ec.generate_private_key(ec.SECP521R1())
    beside = tmp_path / "directory.pem"
    beside.write_bytes(pem(private.public_key()))

    def publish(*signers: int) -> None:
        publisher.publish(directory(*signers, at=clock.now() - 30 * HOUR))
        publisher.signature = private.sign(publisher.body, ec.ECDSA(hashes.SHA512()))

    cards = source(
        hub, publisher, "vci", signer_file=str(beside), signature_url=f"{publisher.url}.sig"
    )
    publish(0)
    await fetch(hub, cards)
    (first,) = await kept(hub)
    assert first["waits_for"] == ["new_authorities", "first"]
    await decide(hub, (await ask(hub, 1))["approval_id"])
    publish(0, 1)
    await fetch(hub, cards, after=HOUR)
    assert [(one["version"], one["in_force"]) for one in await kept(hub)] == [
        (2, True),
        (1, False),
    ]
    good, publisher.body = publisher.body, publisher.body.replace(b'"x"', b'"y"')
    await fetch(hub, cards, after=3 * HOUR)
    assert (await stands(hub))["fault"] == "unsigned"
    publisher.body, publisher.signature = good, b""
    await fetch(hub, cards, after=5 * HOUR)
    assert (await stands(hub))["failures"] == 2
    another = tmp_path / "another.pem"
    another.write_bytes(pem(SIGNERS[0].public_key()))
    moved = source(
        hub, publisher, "vci", signer_file=str(another), signature_url=f"{publisher.url}.sig"
    )
    publisher.signature = SIGNERS[0].sign(good, ec.ECDSA(hashes.SHA512()))
    await fetch(hub, moved, after=12 * HOUR)
    lists = await kept(hub)
    assert (lists[0]["in_force"], lists[0]["waits_for"]) == (False, ["new_authorities"])


@needed
def test_the_directory_of_card_issuers_is_signed_by_its_makers() -> None:
    folder = DATA / "shc/vci-directory"
    signer = signatures.signer(folder / "vci_snapshot.crt")
    told = (folder / "vci_snapshot.json").read_bytes()
    signature = (folder / "vci_snapshot.sig").read_bytes()
    assert signatures.holds(signer, signature, told)
    assert not signatures.holds(signer, signature, told + b" ")


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (b"-----BEGIN CERTIFICATE-----", "neither"),
        (b"", "neither"),
        (pem(rsa.generate_private_key(65537, 2048).public_key()), "ECDSA"),
    ],
)
def test_a_signer_that_can_be_none_is_refused(held: bytes, said: str, tmp_path: Path) -> None:
    told = tmp_path / "signer.pem"
    told.write_bytes(held)
    with pytest.raises(InvalidFile, match=said):
        signatures.signer(told)


def test_a_signature_that_cannot_be_one_does_not_hold() -> None:
    spki = made.spki(SIGNERS[0])
    for odd in (b"", b"0", b"\x30" * 200, bytes(1000)):
        assert not signatures.holds(spki, odd, b"told")
