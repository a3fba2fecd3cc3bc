"""Whether a published list was signed by the key that the operator has laid beside it."""

from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from twinstile.platform.ops import config_files
from twinstile.platform.ops.config_files import InvalidFile

MOST_BYTES: Final = 256
"""Of a signature in DER; one on P-521 has 139."""
_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"


def signer(path: Path) -> bytes:
    """The key of a certificate or of a public key in PEM: DER SubjectPublicKeyInfo.

    The certificate's dates are not looked at: who lays it there answers for it. Raises
    `InvalidFile`.
    """
    held = config_files.read(path, config_files.LARGEST_SECRET)
    try:
        key = (
            x509.load_pem_x509_certificate(held).public_key()
            if _CERTIFICATE in held
            else serialization.load_pem_public_key(held)
        )
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidFile(f"{path}: neither a certificate nor a public key in PEM") from None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise InvalidFile(f"{path}: not a key for ECDSA")
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def holds(spki: bytes, signature: bytes, data: bytes) -> bool:
    """ECDSA with SHA-512, as the VCI directory is signed."""
    key = serialization.load_der_public_key(spki)
    if not isinstance(key, ec.EllipticCurvePublicKey) or len(signature) > MOST_BYTES:
        return False
    try:
        key.verify(signature, data, ec.ECDSA(hashes.SHA512()))
    except InvalidSignature:
        return False
    return True
