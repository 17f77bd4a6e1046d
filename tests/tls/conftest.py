"""Certificates to test with: the service point's own, and those that some company's authority might give out."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pxed.tls.authority import found
from pxed.tls.identity import Identity, PrivateKey

NOW = datetime.now(UTC).replace(microsecond=0)
NAMES = ("boot.example.org", "boot", "10.0.0.1", "192.168.7.1")
DAY = timedelta(days=1)


@pytest.fixture(scope="session")
def own() -> Identity:
    """An authority of our own and a certificate by it, made at NOW."""
    return found(NAMES, NOW)


@dataclass(frozen=True)
class Issued:
    """A certificate and its key, made for a test."""

    certificate: x509.Certificate
    key: PrivateKey

    @property
    def pem(self) -> bytes:
        """Certificate, then key."""
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return self.certificate.public_bytes(Encoding.PEM) + key


def issue(
    name: str,
    by: Issued | None = None,
    *,
    key: PrivateKey | None = None,
    bits: int = 2048,
    curve: bool = False,
    authority: bool = False,
    starts: datetime = NOW - DAY,
    ends: datetime = NOW + 90 * DAY,
    names: tuple[str, ...] = ("pxe.example.org",),
    purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
) -> Issued:
    """A certificate signed by `by`, or by itself."""
    if key is None:
        key = ec.generate_private_key(ec.SECP256R1()) if curve else rsa.generate_private_key(65537, bits)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        if names:
            alternatives = x509.SubjectAlternativeName([x509.DNSName(each) for each in names])
            builder = builder.add_extension(alternatives, critical=False)
    return Issued(builder.sign(by.key if by else key, SHA256()), key)


@pytest.fixture(scope="session")
def root() -> Issued:
    """A company's root."""
    return issue("Root", authority=True)


@pytest.fixture(scope="session")
def intermediate(root: Issued) -> Issued:
    """An authority by it."""
    return issue("Intermediate", root, authority=True)


@pytest.fixture(scope="session")
def server(intermediate: Issued) -> Issued:
    """A server's certificate by that, with an RSA key."""
    return issue("pxe.example.org", intermediate)


Pack = Callable[..., Path]


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    """Makes a PKCS#12 file with OpenSSL: of the key of `leaf`, its certificate and `others` in that order."""

    def make(leaf: Issued, *others: Issued, passphrase: str = "", options: tuple[str, ...] = ()) -> Path:
        (tmp_path / "leaf.pem").write_bytes(leaf.pem)
        (tmp_path / "others.pem").write_bytes(b"".join(each.certificate.public_bytes(Encoding.PEM) for each in others))
        target = tmp_path / "identity.p12"
        more = ("-certfile", f"{tmp_path}/others.pem") if others else ()
        command = ["openssl", "pkcs12", "-export", "-in", f"{tmp_path}/leaf.pem", *more, *options]
        subprocess.run([*command, "-passout", f"pass:{passphrase}", "-out", target], check=True, capture_output=True)
        return target

    return make
