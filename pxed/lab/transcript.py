"""What a machine or a program said, line by line and with times, and waiting for a line to come.

Firmware talks to a terminal: it moves the cursor instead of ending lines, repaints, and leaves prompts unfinished. So a
cursor movement counts as the end of a line, other escape sequences are dropped, and a wait looks at the unfinished line
too.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

from pxed.errors import PxedError

_TAIL = 40
"""lines shown when something did not come"""
_LONGEST = 4096
"""an unfinished line longer than this is cut into lines: a machine gone wild must not eat our memory in one string"""

_MOVES = re.compile(r"\x1b\[[0-9;]*[Hf]|[\b\r\n]+")
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[()*+][0-~]|\x1b[=>78cDEHM]")
_CUT = re.compile(r"\x1b(\[[0-?]*[ -/]*|[()*+])?\Z")
"""an escape sequence whose end has not arrived"""


class NotSeen(PxedError):
    """What should have been said was not; the text ends with the last lines that were."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: seconds on the transcript's clock when it began, and its text without escape sequences."""

    at: float
    text: str


class Transcript:
    """The lines of one source. `wait_for` reads on from the last match, so waits follow the order of events."""

    def __init__(
        self,
        source: str,
        clock: Callable[[], float],
        *,
        file: TextIO | None = None,
        on_line: Callable[[Line], None] | None = None,
    ) -> None:
        self.source = source
        self.lines: list[Line] = []
        self.ended = False
        self._clock = clock
        self._file = file
        self._on_line = on_line
        self._rest = ""
        self._rest_at = 0.0
        self._next = 0
        self._changed = asyncio.Event()

    def feed(self, data: bytes) -> None:
        """Takes what has just arrived, in pieces of any length."""
        if not self._rest:
            self._rest_at = self._clock()
        text = self._rest + data.decode("latin-1")
        cut = _CUT.search(text)
        whole, held = (text[: cut.start()], text[cut.start() :]) if cut else (text, "")
        *finished, last = _MOVES.split(whole)
        for line in finished:
            self._finish(line)
        while len(last) > _LONGEST:
            self._finish(last[:_LONGEST])
            last = last[_LONGEST:]
        if finished:
            self._rest_at = self._clock()
        self._rest = last + held
        self._changed.set()

    def end(self) -> None:
        """Nothing more will come."""
        self._finish(self._rest)
        self._rest = ""
        self.ended = True
        self._changed.set()

    async def wait_for(self, pattern: str, seconds: float, *, unless: str | None = None) -> Line:
        """The first line after the last match that `pattern` is found in, as soon as it is there.

        NotSeen after `seconds`, when the source ends, or at once when `unless` is found first.
        """
        wanted = re.compile(pattern)
        unwanted = re.compile(unless) if unless is not None else None
        try:
            async with asyncio.timeout(seconds):
                while True:
                    self._changed.clear()
                    if (line := self._search(wanted, unwanted)) is not None:
                        return line
                    if self.ended:
                        raise self._not_seen(pattern, "ended without it")
                    await self._changed.wait()
        except TimeoutError:
            raise self._not_seen(pattern, f"did not say so within {seconds:.0f} s") from None

    async def wait_end(self) -> None:
        """Returns when the source has ended."""
        while not self.ended:
            self._changed.clear()
            await self._changed.wait()

    def tail(self, count: int = _TAIL) -> str:
        """The last lines with their times, to be shown to a person."""
        lines = [*self.lines[-count:], *([Line(self._rest_at, self._unfinished)] if self._unfinished else [])]
        return "\n".join(f"{line.at:8.2f}  {line.text}" for line in lines)

    @property
    def _unfinished(self) -> str:
        return _plain(self._rest).rstrip()

    def _search(self, wanted: re.Pattern[str], unwanted: re.Pattern[str] | None) -> Line | None:
        """Reads on to a match. An unfinished line that does not match is read again when it has grown."""
        candidates = [*self.lines[self._next :]]
        if self._next <= len(self.lines) and self._unfinished:
            candidates.append(Line(self._rest_at, self._unfinished))
        for line in candidates:
            if wanted.search(line.text):
                self._next += 1
                return line
            if unwanted is not None and unwanted.search(line.text):
                raise self._not_seen(wanted.pattern, f"said {line.text!r} instead")
            if self._next < len(self.lines):
                self._next += 1
        return None

    def _finish(self, raw: str) -> None:
        text = _plain(raw).rstrip()
        if not text:
            return
        line = Line(self._rest_at, text)
        self.lines.append(line)
        if self._file is not None:
            self._file.write(f"{line.at:8.2f}  {line.text}\n")
            self._file.flush()
        if self._on_line is not None:
            self._on_line(line)

    def _not_seen(self, pattern: str, what: str) -> NotSeen:
        return NotSeen(f"{self.source} {what}: /{pattern}/\n--- the end of what {self.source} said\n{self.tail()}\n---")


def _plain(raw: str) -> str:
    return "".join(char for char in _ESCAPES.sub("", raw) if char.isprintable())
