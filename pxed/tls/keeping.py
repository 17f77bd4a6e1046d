"""An identity on disk: ca.pem, ca.key, server.pem (the whole chain) and server.key in the directory `tls`.

Four files that belong together change together: `tls` is a symbolic link to the directory that has them, and a new
identity is a new directory, complete and on disk before one rename(2) moves the link. Who is stopped half-way leaves
the old identity; what else he leaves is swept by the next one. Keys are 0600, and of root's making everything belongs
to the owner of the state directory.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from pxed.errors import NotFound, NotPermitted, PxedError, Refused
from pxed.files import give_to_owner_of, sync_directory
from pxed.tls.identity import Identity, PrivateKey

CERTIFICATE = "server.pem"
KEY = "server.key"
AUTHORITY = "ca.pem"
AUTHORITY_KEY = "ca.key"

_Read = TypeVar("_Read")


def directory_in(state_dir: Path) -> Path:
    """Where the identity of a service point is kept."""
    return state_dir / "tls"


def save(directory: Path, identity: Identity, *, replace: bool) -> None:
    """Makes `identity` the one in `directory`, or leaves everything as it was.

    Refused if there is one and it is not to be replaced, or if this machine's TLS library does not take the new one.
    """
    with _said("written", directory), _alone(directory.parent):
        if directory.exists() and not directory.is_symlink():
            _remove_empty(directory)
        if directory.exists() and not replace:
            raise Refused(f"there is a certificate in {directory} already; --replace puts the new one in its place")
        draft = directory.with_name(f"{directory.name}-{secrets.token_hex(8)}")
        try:
            _write_all(draft, identity)
            _try(draft)
            link = draft.with_suffix(".link")
            link.symlink_to(draft.name)
            link.replace(directory)
            sync_directory(directory.parent)
        finally:
            _sweep(directory)


def load(directory: Path) -> Identity:
    """The identity in `directory`; NotFound if there is none, NotPermitted or PxedError if it cannot be read."""
    with _said("read", directory):
        return steadily(directory, _read_all)


def read_chain(file: Path) -> tuple[x509.Certificate, ...]:
    """The certificates in a PEM file, the server's own first; errors as of `load`."""
    with _said("read", file):
        return steadily(file, _certificates)


def steadily(path: Path, read: Callable[[Path], _Read]) -> _Read:
    """What `read` makes of the files that `path` stands for now, none of them from the identity before or after.

    An identity that is replaced is removed: if `read` misses a file because of that, it reads the new ones.
    FileNotFoundError if there is none.
    """
    while True:
        target = path.resolve()
        try:
            return read(target)
        except FileNotFoundError:
            if path.resolve() == target:
                raise


def _read_all(directory: Path) -> Identity:
    chain = _certificates(directory / CERTIFICATE)
    key = _private_key(directory / KEY)
    authority_key: PrivateKey | None = None
    if (directory / AUTHORITY_KEY).exists():
        authority_key = _private_key(directory / AUTHORITY_KEY)
    if key.public_key() != chain[0].public_key():
        raise PxedError(f"{directory / KEY} is not the key of the certificate in {directory / CERTIFICATE}")
    if authority_key is not None and authority_key.public_key() != chain[-1].public_key():
        raise PxedError(f"{directory / AUTHORITY_KEY} is not the key of the last certificate in {CERTIFICATE}")
    return Identity(key, chain, authority_key if isinstance(authority_key, RSAPrivateKey) else None)


def _certificates(file: Path) -> tuple[x509.Certificate, ...]:
    try:
        return tuple(x509.load_pem_x509_certificates(file.read_bytes()))
    except ValueError:
        raise PxedError(f"{file} is no file of PEM certificates") from None


def _private_key(file: Path) -> PrivateKey:
    try:
        key = load_pem_private_key(file.read_bytes(), None)
    except (ValueError, TypeError):  # TypeError: it is encrypted
        raise PxedError(f"{file} is no PEM private key without a pass phrase") from None
    if not isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey):
        raise PxedError(f"{file} is neither an RSA nor an EC key")
    return key


def _write_all(draft: Path, identity: Identity) -> None:
    draft.mkdir(mode=0o750)
    for name, mode, data in _files(identity):
        descriptor = os.open(draft / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(descriptor, mode)
            give_to_owner_of(draft.parent, descriptor)
            os.fsync(descriptor)
    give_to_owner_of(draft.parent, draft)
    sync_directory(draft)


def _files(identity: Identity) -> Iterator[tuple[str, int, bytes]]:
    """Name, mode and content of each."""
    yield CERTIFICATE, 0o644, b"".join(one.public_bytes(Encoding.PEM) for one in identity.chain)
    yield AUTHORITY, 0o644, identity.anchor.public_bytes(Encoding.PEM)
    yield KEY, 0o600, _pem(identity.key)
    if identity.authority_key is not None:
        yield AUTHORITY_KEY, 0o600, _pem(identity.authority_key)


def _pem(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _try(draft: Path) -> None:
    """OpenSSL has an opinion of its own on sizes of keys and on digests, and the system's policy may be stricter."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(draft / CERTIFICATE, draft / KEY)
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).lower().replace("_", " ")
        raise Refused(f"this machine's TLS library does not take the certificate: {reason}") from None


def _remove_empty(directory: Path) -> None:
    try:
        directory.rmdir()
    except OSError:
        text = (
            f"{directory} is there and was not made by pxed cert: move it away, or name its files in the configuration"
        )
        raise Refused(text) from None


def _sweep(directory: Path) -> None:
    """Removes every identity but the one in use, and what was left half-way."""
    current = directory.resolve().name
    ours = re.compile(rf"{re.escape(directory.name)}-[0-9a-f]{{16}}(\.link)?")
    for path in directory.parent.iterdir():
        if ours.fullmatch(path.name) and path.name != current:
            if path.is_symlink():
                path.unlink()
            else:
                shutil.rmtree(path)


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """One writer at a time; the kernel forgets the lock of who dies."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _said(done: str, path: Path) -> Iterator[None]:
    """Faults of the file system in the operator's words."""
    try:
        yield
    except FileNotFoundError:
        raise NotFound(f"there is no certificate in {path}") from None
    except PermissionError:
        raise NotPermitted(f"the certificate in {path} cannot be {done}: permission denied") from None
    except OSError as error:
        raise PxedError(f"the certificate in {path} cannot be {done}: {error.strerror}") from None
