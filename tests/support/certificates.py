"""A throw-away certificate authority for tests of TLS."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

KEY = "key.pem"
CERTIFICATE = "certificate.pem"


class Authority:
    """A CA with a key of its own; ``certificate`` is the file that trusts it.

    Args:
        folder: Where its files go.
        name: What it calls itself.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = (
            _builder(self._name, self._name, self._key, valid_days=1)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate = folder / f"{name}.pem"
        self.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    @classmethod
    def make(cls, folder: Path, name: str) -> Self:
        """Make the folder, and an authority in it."""
        folder.mkdir(parents=True, exist_ok=True)
        return cls(folder, name)

    def issue(self, folder: Path, name: str, *, valid_days: int = 1) -> Path:
        """Issue a certificate for a host or user of that name; return the folder with it and its key.

        Args:
            folder: Made for them.
            name: The common name, and the DNS name.
            valid_days: How long from now; a negative number makes one that has expired.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = (
            _builder(subject, self._name, key, valid_days=valid_days)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        folder.mkdir(parents=True)
        (folder / CERTIFICATE).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (folder / KEY).write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        (folder / KEY).chmod(0o600)  # libpq refuses a key that others may read
        return folder


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, *, valid_days: int
) -> x509.CertificateBuilder:
    end = datetime.now(UTC) + timedelta(days=valid_days)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - timedelta(days=30))
        .not_valid_after(end)
    )
