"""What a service point shows to prove who it is, and what it keeps for that.

The last certificate of the chain is the anchor: the one whose SHA-256 fingerprint a boot loader is given as trusted
(iPXE's encapsulated option 175.90). A loader that has the fingerprint alone must be sent the certificate itself, so the
chain is always sent with the anchor in it. iPXE asks of an anchor nothing but its fingerprint and its validity
(src/crypto/x509.c, x509_validate and x509_check_root): it may be a root, an intermediate or the server's own.

iPXE reads that option once, when it starts (src/crypto/rootcert.c, rootcert_init), so it has to stand in the replies to
the firmware before it: in UEFI iPXE takes over the firmware's proxyDHCP offer and its reply from port 4011
(src/interface/efi/efi_cachedhcp.c), on BIOS nothing but the DHCP server's ACK (src/arch/x86/prefix/pxeprefix.S).
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Identity:
    """Keys and certificates that belong together."""

    key: PrivateKey
    """the server's"""
    chain: tuple[x509.Certificate, ...]
    """the server's certificate, those that vouch for it in order, and the anchor as the last; at least one"""
    authority_key: RSAPrivateKey | None = None
    """the anchor's, with which the server's certificate can be renewed; None if it is not ours"""

    @property
    def certificate(self) -> x509.Certificate:
        """The server's own."""
        return self.chain[0]

    @property
    def anchor(self) -> x509.Certificate:
        """What boot loaders trust."""
        return self.chain[-1]


def fingerprint(certificate: x509.Certificate) -> bytes:
    """SHA-256 over the DER form, 32 octets: what option 175.90 carries."""
    return certificate.fingerprint(SHA256())


def names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Its subjectAltNames that are host names or IP addresses, in its order."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(str(name.value) for name in extension.value if isinstance(name, x509.DNSName | x509.IPAddress))


def title(name: x509.Name) -> str:
    """A subject or issuer as text, RFC 4514."""
    return name.rfc4514_string() or "(no name)"


def kind_of_key(certificate: x509.Certificate) -> str:
    """Algorithm and size of its key: "RSA 2048", "EC secp256r1"; the bare class if it is of another kind."""
    match certificate.public_key():
        case RSAPublicKey(key_size=bits):
            return f"RSA {bits}"
        case EllipticCurvePublicKey(curve=curve):
            return f"EC {curve.name}"
        case other:
            return type(other).__name__.removesuffix("PublicKey")
