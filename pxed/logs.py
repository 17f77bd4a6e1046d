"""How the service logs: one line an event, with fixed keys, as text or as JSON, with priorities for the journal."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TextIO

KEYS = ("mac", "guid", "iface", "arch", "stage", "computer", "advertisement", "rule")
"""The keys that a line may carry besides its text, in this order."""

_PRIORITIES = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))


class TextFormatter(logging.Formatter):
    """`pxed.verdict: boot: ... mac=... rule=...`, with a time unless the journal adds one."""

    def __init__(self, *, journal: bool) -> None:
        super().__init__()
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        """One line; a traceback of our own bug follows on lines of its own."""
        text = f"{record.name.removeprefix('pxed.')}: {_one_line(record.getMessage())}"
        fields = "".join([f" {key}={_quoted(value)}" for key, value in _fields(record).items()])
        if record.exc_info:
            fields += "\n" + self.formatException(record.exc_info)
        if not self._journal:
            second = _local_time(int(record.created))
            return f"{second}.{int(record.msecs):03d} {record.levelname:7} {text}{fields}"
        prefix = f"<{_priority(record.levelno)}>"
        return prefix + (text + fields).replace("\n", f"\n{prefix}")


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message and the fixed keys."""

    def format(self, record: logging.LogRecord) -> str:
        """The object, with `exception` for our own bugs."""
        moment = datetime.fromtimestamp(record.created, UTC)
        entry = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


class TurnHandler(logging.StreamHandler[TextIO]):
    """Writes all lines of one turn of the event loop at once: a line each would cost a storm of packets a system call.

    Where no loop runs, and from warnings on, a line is written at once.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps the line, and sees to it that it is written."""
        try:
            self._lines.append(self.format(record) + self.terminator)
            if record.levelno >= logging.WARNING:
                self.flush()
            elif len(self._lines) == 1:
                asyncio.get_running_loop().call_soon(self.flush)
        except RuntimeError:  # no loop in this thread
            self.flush()
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        """Writes what was kept."""
        with self.lock or nullcontext():
            lines, self._lines = self._lines, []
            if lines:
                self.stream.write("".join(lines))
                super().flush()


def configure(level: str, log_format: str, environment: Mapping[str, str]) -> None:
    """Sends all logs to standard error in `log_format` (text, json) from `level` on; may be called again."""
    handler = TurnHandler(sys.stderr)
    if log_format == "json":
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(TextFormatter(journal="JOURNAL_STREAM" in environment))
    # what no line shows need not be found out for each (logging HOWTO, "Optimization")
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("pxed").setLevel(level.upper())


def _fields(record: logging.LogRecord) -> dict[str, str]:
    told = record.__dict__
    return {key: str(told[key]) for key in KEYS if told.get(key, "") not in {None, ""}}


def _quoted(value: str) -> str:
    clean = _one_line(value)
    return json.dumps(clean, ensure_ascii=False) if " " in clean or '"' in clean or not clean else clean


def _one_line(text: str) -> str:
    """`text` without characters that would break the line or paint the terminal: strangers' words end up here."""
    return text if text.isprintable() else "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


@functools.lru_cache(maxsize=1)
def _local_time(second: int) -> str:
    """A second since 1970 as it is told."""
    return f"{datetime.fromtimestamp(second).astimezone():%Y-%m-%d %H:%M:%S}"


@functools.cache
def _priority(level: int) -> int:
    return next((priority for threshold, priority in _PRIORITIES if level >= threshold), 7)
