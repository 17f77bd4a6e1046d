"""The identity of a service point as its listeners use it."""

from __future__ import annotations

import ssl
from pathlib import Path

from pxed.errors import ConfigError, NotPermitted, PxedError
from pxed.tls.identity import fingerprint
from pxed.tls.keeping import CERTIFICATE, KEY, directory_in, read_chain, steadily

_MISSING = ("https.port", "is set, and there is no certificate; pxed cert init makes one, pxed cert import takes one")


def faults(state_dir: Path) -> tuple[tuple[str, str], ...]:
    """What keeps a service point from serving HTTPS, as far as one may see: configuration keys and texts."""
    try:
        (directory_in(state_dir) / CERTIFICATE).stat()
    except (FileNotFoundError, NotADirectoryError):
        return (_MISSING,)
    except PermissionError:
        pass
    return ()


def serving_context(state_dir: Path) -> ssl.SSLContext:
    """A context for servers with the identity in `state_dir`; errors as of `refresh`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    refresh(context, state_dir)
    return context


def refresh(context: ssl.SSLContext, state_dir: Path) -> None:
    """Connections from now on get the identity that is in `state_dir` now.

    ConfigError if there is none, NotPermitted or PxedError if it cannot be used; the context then keeps what it had.
    """
    directory = directory_in(state_dir)
    try:
        steadily(directory, lambda place: context.load_cert_chain(place / CERTIFICATE, place / KEY))
    except FileNotFoundError:
        raise ConfigError("configuration", (_MISSING,)) from None
    except PermissionError:
        raise NotPermitted(f"the certificate in {directory} cannot be read: permission denied") from None
    except (ssl.SSLError, OSError) as error:
        raise PxedError(f"the certificate in {directory} cannot be used: {error}") from None


def anchor(state_dir: Path) -> bytes:
    """SHA-256 fingerprint, 32 octets, of what boot loaders are to trust; NotFound or PxedError if it cannot be read."""
    return fingerprint(read_chain(directory_in(state_dir) / CERTIFICATE)[-1])
