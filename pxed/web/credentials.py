"""User name and password as boot scripts send them: HTTP's Basic authentication (RFC 7617) over hexadecimal digits.

`boot/script.py` (render_login) says why: `Basic base64(6a616e65:70617373)` is jane with the password pass.
"""

from __future__ import annotations

import base64
import binascii
from typing import NamedTuple

CHALLENGE = 'Basic realm="pxed"'
"""What asks for them, in the header WWW-Authenticate of a 401."""


class Credentials(NamedTuple):
    """What somebody typed."""

    username: str
    password: str


def credentials(authorization: str) -> Credentials | None:
    """Those in the header Authorization; None if there are none in it, or none that can be read."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        username, _, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        return Credentials(binascii.unhexlify(username).decode(), binascii.unhexlify(password).decode())
    except ValueError:  # of base64, hexadecimal digits and UTF-8 alike
        return None
