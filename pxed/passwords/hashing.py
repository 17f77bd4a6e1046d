"""A password as it is kept: Argon2id (RFC 9106), or scrypt (RFC 7914) where the library lacks it, as a PHC string.

The string holds its own parameters, so that what was made with others is still checked, and can be made again:

    $argon2id$v=19$m=65536,t=2,p=1$<salt>$<hash>        $scrypt$ln=16,r=8,p=1$<salt>$<hash>
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import re
import unicodedata
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from pxed.errors import PxedError, UsageError

try:
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
except ImportError:  # before release 44
    Argon2id = None  # type: ignore[assignment, misc]

MAX_BYTES = 512
"""of a password in UTF-8: more than anybody types, and little to hash"""
_SALT_BYTES = 16
_HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class Argon2Cost:
    """What one guess costs; the default takes about a tenth of a second, twice what OWASP asks for."""

    memory: int = 64 * 1024
    """KiB"""
    passes: int = 2
    lanes: int = 1

    def __str__(self) -> str:
        """As PHC's string has it."""
        return f"$argon2id$v=19$m={self.memory},t={self.passes},p={self.lanes}"

    def derive(self, secret: bytes, salt: bytes) -> bytes:
        """The hash; UnsupportedAlgorithm if the library cannot."""
        if Argon2id is None:
            raise UnsupportedAlgorithm("this release of cryptography has no Argon2id")
        kdf = Argon2id(salt=salt, length=_HASH_BYTES, iterations=self.passes, lanes=self.lanes, memory_cost=self.memory)
        return kdf.derive(secret)


@dataclass(frozen=True, slots=True)
class ScryptCost:
    """The same for scrypt: 64 MiB as well."""

    log_n: int = 16
    block: int = 8
    lanes: int = 1

    def __str__(self) -> str:
        """As PHC's string has it."""
        return f"$scrypt$ln={self.log_n},r={self.block},p={self.lanes}"

    def derive(self, secret: bytes, salt: bytes) -> bytes:
        """The hash."""
        return Scrypt(salt=salt, length=_HASH_BYTES, n=1 << self.log_n, r=self.block, p=self.lanes).derive(secret)


Cost = Argon2Cost | ScryptCost
_ARGON2 = re.compile(r"\$argon2id\$v=19\$m=(\d{1,8}),t=(\d{1,4}),p=(\d{1,3})")
_SCRYPT = re.compile(r"\$scrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,3})")


def best_cost() -> Cost:
    """What new hashes are made with."""
    try:
        Argon2Cost(memory=64, passes=1).derive(b"", bytes(_SALT_BYTES))
    except UnsupportedAlgorithm:
        return ScryptCost()
    return Argon2Cost()


def normalized(password: str) -> bytes:
    """What is hashed: UTF-8 of Unicode's form NFC, so that an e with an accent is the same from every keyboard."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


def check_new(password: str) -> str:
    """`password` itself if it can be one; UsageError says why not."""
    if not password:
        raise UsageError("a password must not be empty")
    if len(normalized(password)) > MAX_BYTES:
        raise UsageError(f"a password has at most {MAX_BYTES} bytes in UTF-8")
    for character in password:
        if unicodedata.category(character) in {"Cc", "Cs"}:
            raise UsageError(f"the password contains U+{ord(character):04X}, which nobody can type")
    return password


def hashed(password: str, cost: Cost) -> str:
    """`password` as it is kept; a new salt each time."""
    salt = os.urandom(_SALT_BYTES)
    return f"{cost}${_encode(salt)}${_encode(cost.derive(normalized(password), salt))}"


def matches(password: str, kept: str) -> bool:
    """Whether `kept` was made from `password`; takes as long for one as for the other.

    PxedError if it cannot be told: the string is none, or was made with what the library lacks.
    """
    cost, salt, wanted = _parsed(kept)
    try:
        made = cost.derive(normalized(password), salt)
    except UnsupportedAlgorithm:
        raise PxedError(f"a password cannot be checked: {str(cost)[1:].partition('$')[0]} is not available") from None
    return hmac.compare_digest(made, wanted)


def match_nobody(password: str, cost: Cost) -> bool:
    """False, after as long a time as `matches` takes: for a user name that has no password."""
    cost.derive(normalized(password), bytes(_SALT_BYTES))
    return False


def is_aged(kept: str, cost: Cost) -> bool:
    """Whether a hash was made with other parameters than those of today."""
    return _parsed(kept)[0] != cost


def _parsed(kept: str) -> tuple[Cost, bytes, bytes]:
    head, _, rest = kept.rpartition("$")
    head, _, salt = head.rpartition("$")
    try:
        if match := _ARGON2.fullmatch(head):
            return Argon2Cost(*map(int, match.groups())), _decode(salt), _decode(rest)
        if match := _SCRYPT.fullmatch(head):
            return ScryptCost(*map(int, match.groups())), _decode(salt), _decode(rest)
    except binascii.Error:
        pass
    raise PxedError("a password cannot be checked: what the database holds is no hash of one; set it again")


def _encode(data: bytes) -> str:
    return base64.b64encode(data).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
