"""The service point's own certificate authority.

Keys are RSA, signatures sha256WithRSAEncryption, because that is what boot loaders verify. iPXE of May 2025 (Debian 13;
source at commit dad206026094):

* src/config/crypto.h has CRYPTO_PUBKEY_RSA and no other public key; P-256, P-384 and X25519 are there for the key
  exchange only (src/crypto/mishmash/oid_p256.c names a curve and no public-key algorithm). ECDSA came in December
  2025 (5aab6b7a33). One certificate of another kind anywhere in the chain ends the handshake.
* Signatures are PKCS #1 v1.5 over SHA-1, SHA-224, SHA-256, SHA-384 or SHA-512 (src/crypto/mishmash/rsa_*.c), no PSS;
  the modulus may have any size (src/crypto/rsa.c allocates by it).
* Known extensions are basicConstraints, keyUsage, extKeyUsage, authorityInfoAccess and subjectAltName; any other that
  is critical, such as nameConstraints, is refused (src/crypto/x509.c, x509_parse_extension).
* subjectAltName is compared as dNSName and as iPAddress of 4 or 16 octets (x509_check_alt_name), so a URL may have an
  address in it; the commonName is compared as a host name before that.
* An issuer must be the subject octet by octet, with cA and, if keyUsage is there, keyCertSign (x509_check_issuer).
* Validity is checked against the machine's clock with 12.5 hours of grace (src/config/crypto.h).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pxed.errors import Refused, UsageError
from pxed.tls.identity import Identity, title

AUTHORITY_BITS = 3072
"""NIST SP 800-57 has 2048 for use until 2030, which the authority outlives"""
SERVER_BITS = 2048
"""each handshake costs the service point one signature with this key"""
AUTHORITY_LIFE = timedelta(days=3652)
SERVER_LIFE = timedelta(days=730)
"""under the 825 days that some browsers allow a server; the authority's key lies beside the server's, so that a shorter
life would protect nothing"""
_BACKDATED = timedelta(days=1)
"""clocks of computers without an operating system are often behind, or hold local time"""
_LONGEST_COMMON_NAME = 64  # RFC 5280, appendix A.1: ub-common-name


def found(names: Sequence[str], now: datetime) -> Identity:
    """A new authority, and a certificate by it for a server with `names`: host names and addresses, at least one."""
    alternatives = _alternatives(names)
    key = generate_private_key(65537, AUTHORITY_BITS)
    digest = x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest
    # two authorities of one host must not be taken for each other: clients look for an issuer by name
    name = f"pxed authority {digest[:4].hex()} of {names[0]}"[:_LONGEST_COMMON_NAME]
    builder = _builder(name, key.public_key(), now, now + AUTHORITY_LIFE)
    usage = _usage(key_cert_sign=True, crl_sign=True)
    anchor = (
        builder.issuer_name(_name(name))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, SHA256())
    )
    return _issue(anchor, key, alternatives, names[0], now)


def renew(identity: Identity, names: Sequence[str], now: datetime) -> Identity:
    """A new key and certificate for the server, by the same authority.

    Refused if the authority is not ours or has ended.
    """
    key, anchor = identity.authority_key, identity.anchor
    if key is None:
        text = "the certificate was imported, and only who made it can renew it: import the new one"
        raise Refused(f"{text} with pxed cert import, or pxed cert init --replace makes an authority of its own")
    if now >= anchor.not_valid_after_utc:
        ended = f"the authority {title(anchor.subject)} ended on {anchor.not_valid_after_utc:%Y-%m-%d}"
        raise Refused(f"{ended}; pxed cert init --replace makes a new one")
    return _issue(anchor, key, _alternatives(names), names[0], now)


def _issue(
    anchor: x509.Certificate,
    authority_key: RSAPrivateKey,
    alternatives: Sequence[x509.GeneralName],
    name: str,
    now: datetime,
) -> Identity:
    key = generate_private_key(65537, SERVER_BITS)
    until = min(now + SERVER_LIFE, anchor.not_valid_after_utc)
    identifier = anchor.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    certificate = (
        _builder(name[:_LONGEST_COMMON_NAME], key.public_key(), now, until)
        .issuer_name(anchor.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        # key_encipherment: cipher suites without a key exchange of their own, which iPXE offers as well
        .add_extension(_usage(digital_signature=True, key_encipherment=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(authority_key, SHA256())
    )
    return Identity(key, (certificate, anchor), authority_key)


def _builder(name: str, key: RSAPublicKey, now: datetime, until: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before((now - _BACKDATED).replace(microsecond=0))
        .not_valid_after(until.replace(microsecond=0))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(
    *,
    digital_signature: bool = False,
    key_encipherment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=key_encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _alternatives(names: Sequence[str]) -> list[x509.GeneralName]:
    if not names:
        raise UsageError("a certificate needs at least one name: give one with --name")
    return [_alternative(name) for name in dict.fromkeys(names)]


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        pass
    try:
        ascii_name = name.encode("idna").decode()
    except UnicodeError:
        ascii_name = ""
    if not ascii_name or not all(
        part and part.replace("-", "").replace("_", "").isalnum() for part in ascii_name.split(".")
    ):
        raise UsageError(f"{name!r} is neither a host name such as 'pxe.example.org' nor an IP address")
    return x509.DNSName(ascii_name)
