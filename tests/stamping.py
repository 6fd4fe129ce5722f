"""A time stamp authority of our own: keys made on the spot, answers by the openssl program."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

REPLY = "application/timestamp-reply"
_CONFIG = """[tsa]
default_tsa = one
[one]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
certs = {folder}/tsa.pem
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


class Stamper:
    """An authority; calling it is sending it a request.

    Args:
        folder: Where its files lie.
        days: When the certificate that it stamps with begins and ends to hold, counted from today.
    """

    def __init__(self, folder: Path, *, days: tuple[int, int] = (-1, 30)) -> None:
        folder.mkdir()
        self.folder = folder
        self.asked: list[bytes] = []
        now = datetime.now(UTC)
        root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        root_name, name = _name("Test root"), _name("Test authority")
        root = _builder(
            root_name, root_name, root_key.public_key(), now - timedelta(days=400), now + timedelta(days=400)
        )
        root = root.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.root = root.sign(root_key, hashes.SHA256())
        first, last = now + timedelta(days=days[0]), now + timedelta(days=days[1])
        made = _builder(name, root_name, key.public_key(), first, last)
        made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        self.certificate = made.sign(root_key, hashes.SHA256())
        self.certificates = (self.root,)
        (folder / "tsa.pem").write_bytes(_pem(self.certificate))
        (folder / "root.pem").write_bytes(_pem(self.root))
        (folder / "tsa.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        (folder / "serial").write_text("01\n")
        (folder / "tsa.cnf").write_text(_CONFIG.format(folder=folder))

    def __call__(self, url: str, body: bytes, media_type: str) -> tuple[int, str, bytes]:
        """Answer a request with the present time."""
        assert media_type == "application/timestamp-query"
        self.asked.append(body)
        return 200, REPLY, self.stamp(body)

    def stamp(self, request: bytes) -> bytes:
        """Stamp whatever was asked."""
        query, reply = self.folder / "query.tsq", self.folder / "reply.tsr"
        query.write_bytes(request)
        command: list[str | Path] = [
            "openssl",
            "ts",
            "-reply",
            "-config",
            self.folder / "tsa.cnf",
            "-queryfile",
            query,
            "-out",
            reply,
        ]
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "OPENSSL_CONF": os.devnull})
        return reply.read_bytes()


def _builder(
    name: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, first: datetime, last: datetime
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(key)
    return builder.serial_number(x509.random_serial_number()).not_valid_before(first).not_valid_after(last)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
