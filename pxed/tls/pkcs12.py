"""An identity from a PKCS#12 file (RFC 7292), such as a company's authority gives out.

Of everything in the file, the certificate of the file's key and those that vouch for it are taken. What cannot work is
refused with one sentence; what works with some computers alone is for `shown.examine`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12KeyAndCertificates, load_pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID

from pxed.errors import NotFound, NotPermitted, PxedError, Refused
from pxed.tls.identity import Identity, names, title

_LARGEST = 1 << 20
"""octets; a certificate has some thousand"""


class WrongPassphrase(Refused):
    """The file may be right, and the pass phrase is not."""


def read_file(path: Path) -> bytes:
    """The octets of `path`, of which the outermost say that it is PKCS#12."""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}") from None
    except PermissionError:
        raise NotPermitted(f"{path} cannot be read: permission denied") from None
    except OSError as error:
        raise PxedError(f"{path} cannot be read: {error.strerror}") from None
    if data.lstrip().startswith(b"-----BEGIN"):
        raise Refused(f"{path} is PEM, not PKCS#12; openssl pkcs12 -export makes one of a certificate and its key")
    if len(data) > _LARGEST or not _is_pfx(data):
        raise Refused(f"{path} is no PKCS#12 file")
    return data


def identity(data: bytes, passphrase: str, now: datetime) -> Identity:
    """What a PKCS#12 file holds; WrongPassphrase, or Refused with what is wrong with it."""
    store = _open(data, passphrase)
    key = store.key
    if key is None:
        raise Refused("the file holds no private key; the export left it out")
    if not isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey):
        raise Refused("the private key is neither an RSA nor an EC key, and TLS servers know no other")
    certificates = [each.certificate for each in (store.cert, *store.additional_certs) if each is not None]
    if not certificates:
        raise Refused("the file holds no certificate")
    own = [each for each in certificates if each.public_key() == key.public_key()]
    if not own:
        raise Refused(f"the private key belongs to none of the certificates: {_titles(certificates)}")
    leaf = max(own, key=lambda each: each.not_valid_after_utc)  # a renewed certificate beside the one before it
    chain = _chain(leaf, certificates)
    for certificate in chain:
        _check_time(certificate, now)
    _check_server(leaf)
    return Identity(key, tuple(chain))


def _is_pfx(data: bytes) -> bool:
    """RFC 7292, section 4: a SEQUENCE that begins with the INTEGER 3. The length may be of any form."""
    if len(data) < 2 or data[0] != 0x30:
        return False
    octets_of_length = data[1] & 0x7F if data[1] & 0x80 else 0
    return data[2 + octets_of_length :].startswith(b"\x02\x01\x03")


def _open(data: bytes, passphrase: str) -> PKCS12KeyAndCertificates:
    # Without a pass phrase a file is either not encrypted at all or encrypted with the empty one.
    for attempt in [passphrase.encode()] if passphrase else [None, b""]:
        try:
            return load_pkcs12(data, attempt)
        except ValueError:
            continue
        except UnsupportedAlgorithm as error:
            raise Refused(f"the file is encrypted in a way that is not known here: {error}") from None
    raise WrongPassphrase("the pass phrase is wrong, or the file is damaged")


def _chain(leaf: x509.Certificate, certificates: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """From the server's certificate to its root, or as far as the file goes; it may hold them in any order."""
    chain = [leaf]
    while (last := chain[-1]).issuer != last.subject:
        named = [each for each in certificates if each.subject == last.issuer and each not in chain]
        if not named:
            break
        issuer = next((each for each in named if _has_signed(each, last)), None)
        if issuer is None:
            text = f"{title(last.subject)} says that {title(last.issuer)} issued it"
            raise Refused(f"{text}, but the certificate of that name in the file did not sign it")
        if not _is_authority(issuer):
            raise Refused(f"{title(issuer.subject)} signed {title(last.subject)} and is not an authority")
        chain.append(issuer)
    return chain


def _has_signed(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _check_time(certificate: x509.Certificate, now: datetime) -> None:
    name = title(certificate.subject)
    if now > certificate.not_valid_after_utc:
        raise Refused(f"the certificate of {name} expired on {certificate.not_valid_after_utc:%Y-%m-%d}")
    if now < certificate.not_valid_before_utc:
        raise Refused(
            f"the certificate of {name} is valid from {certificate.not_valid_before_utc:%Y-%m-%d} on, not yet"
        )


def _check_server(certificate: x509.Certificate) -> None:
    name = title(certificate.subject)
    try:
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        purposes = None
    except ValueError as error:
        raise Refused(f"the extensions of {name} cannot be read: {error}") from None
    if purposes is not None and not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & {
        *purposes
    }:
        raise Refused(f"the certificate of {name} is not for servers: its extended key usage lacks serverAuth")
    if not names(certificate):
        raise Refused(f"the certificate of {name} names no server: it has no subjectAltName")


def _titles(certificates: Sequence[x509.Certificate]) -> str:
    return "; ".join(title(each.subject) for each in certificates)
