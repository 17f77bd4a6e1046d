"""The service point as the agent sees it: two questions over HTTP, asked until they are answered or refused.

    GET  {server}/agent/{token}/sequence?boot=ID     what to do; asked again with the same ID it is the same answer
    POST {server}/agent/{token}/status               how it goes; repeats are harmless

A service that restarts or is busy (no connection, 5xx) is asked again with growing pauses, for a bounded time.
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from pxed.sequence.model import Sequence, parse

TIMEOUT = 20.0
"""seconds for one connection and for each read from it"""
MAX_REPLY = 4 << 20
"""bytes; a sequence has at most one MiB of JSON, and a stranger on the server's address shall not fill the memory"""


class Refused(Exception):
    """The service point does not take what was asked (403 and the like); the text is its reason."""


class NotWanted(Refused):
    """This boot is not to go on (409): another one took its place, or somebody cleared it."""


class Unreachable(Exception):
    """No usable answer within the time allowed; the text says what the last try got."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What this computer is to do."""

    computer: str
    advertisement: str
    sequence_name: str
    sequence: Sequence
    variables: dict[str, str]


def retry_delays(patience: float) -> Iterator[float]:
    """Pauses in seconds, 1, 2, 4 ... at most 30, until together they would exceed `patience`."""
    delay, spent = 1.0, 0.0
    while spent + delay <= patience:
        yield delay
        spent += delay
        delay = min(delay * 2, 30.0)


class Server:
    """The service point at `url`, addressed with the grant `token` by the running system `boot_id`."""

    def __init__(
        self, url: str, token: str, boot_id: str, *, sleep: Callable[[float], None], say: Callable[[str], None]
    ) -> None:
        parts = urlsplit(url)
        self._host = parts.netloc
        self._base = f"{parts.path}/agent/{quote(token, safe='')}"
        self._boot_id = boot_id
        self._sleep = sleep
        self._say = say
        self._number = 0

    def fetch(self, patience: float = 600.0) -> Assignment:
        """Asks what to do. Refused or Unreachable; ValueError if the answer is no assignment."""
        reply = self._ask("GET", f"{self._base}/sequence?boot={quote(self._boot_id)}", None, patience)
        return _assignment(reply)

    def report(
        self, state: str, *, step: str = "", exit_code: int | None = None, message: str = "", patience: float
    ) -> None:
        """Tells how it goes: `state` is "step", "succeeded" or "failed". Refused or Unreachable."""
        self._number += 1
        body = {
            "boot": self._boot_id,
            "number": self._number,
            "state": state,
            "step": step,
            "exit_code": exit_code,
            "message": message,
        }
        self._ask("POST", f"{self._base}/status", json.dumps(body, ensure_ascii=False).encode(), patience)

    def _ask(self, method: str, path: str, body: bytes | None, patience: float) -> bytes:
        delays = retry_delays(patience)
        while True:
            try:
                status, content = self._once(method, path, body)
                if status == http.client.OK:
                    return content
                reason = f"{status} {content[:500].decode(errors='replace').strip()}".strip()
                if status == http.client.CONFLICT:
                    raise NotWanted(reason)
                # 408 and 429 are the two of the 4xx that ask for another try (RFC 9110, RFC 6585).
                if 400 <= status < 500 and status not in {408, 429}:
                    raise Refused(reason)
            except (OSError, http.client.HTTPException) as error:
                reason = str(error) or type(error).__name__
            delay = next(delays, None)
            if delay is None:
                raise Unreachable(reason)
            self._say(f"{self._host} does not answer as it should ({reason}); trying again in {delay:.0f} s")
            self._sleep(delay)

    def _once(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self._host, timeout=TIMEOUT)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            response = connection.getresponse()
            content = response.read(MAX_REPLY + 1)
            if response.length or len(content) > MAX_REPLY:
                raise http.client.HTTPException(f"the answer is cut short, or larger than {MAX_REPLY} bytes")
            return response.status, content
        finally:
            connection.close()


def _assignment(reply: bytes) -> Assignment:
    try:
        fields: Any = json.loads(reply)
    except RecursionError:
        raise ValueError("the answer is nested too deeply") from None
    if not isinstance(fields, dict):
        raise ValueError("the answer is no JSON object")
    names = [fields.get(key) for key in ("computer", "advertisement", "sequence")]
    if not all(isinstance(name, str) for name in names):
        raise ValueError("the answer lacks the names of computer, advertisement and sequence")
    computer, advertisement, sequence_name = map(_environment_value, names)
    if not isinstance(fields.get("document"), dict):
        raise ValueError("the answer lacks the document")
    variables = fields.get("variables", {})
    if not isinstance(variables, dict):
        raise ValueError("the answer's variables are no JSON object")
    for name in variables:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise ValueError(f"{name!r:.60} is no name for a variable")
    checked = {name: _environment_value(value) for name, value in variables.items()}
    return Assignment(computer, advertisement, sequence_name, parse(fields["document"]), checked)


def _environment_value(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError(f"{value!r:.60} cannot be the value of a variable")
    value.encode()  # half a surrogate pair is no text: UnicodeEncodeError is a ValueError
    return value
