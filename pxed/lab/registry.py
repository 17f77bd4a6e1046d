"""Which labs there are on this machine: a directory each, with a note of who runs it.

A lab cleans up after itself. If its owner was killed, `down` does it from outside: by the note, and by the namespaces,
whose names hold the lab's id.
"""

from __future__ import annotations

import json
import os
import secrets
import select
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from pxed.errors import NotFound, Refused
from pxed.lab.network import labs_with_namespaces, tear_down

RUN_DIRECTORY = Path("/run/pxed-lab")
_NOTE = "lab.json"
_PATIENCE = 90
"""seconds that an owner has to take its lab down"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A lab's note."""

    lab: str
    """its id"""
    purpose: str
    """the verb that made it: "up", "demo", ..."""
    owner: int
    """process id"""
    owner_started: int
    """clock ticks since boot: with it a recycled process id is told from the owner's (proc_pid_stat(5), field 22)"""

    @property
    def alive(self) -> bool:
        """Whether its owner still runs."""
        return _started(self.owner) == self.owner_started


@contextmanager
def registered(purpose: str, run_directory: Path = RUN_DIRECTORY) -> Iterator[tuple[str, Path]]:
    """A new lab's id and directory, for as long as the block lasts."""
    lab = secrets.token_hex(3)
    directory = run_directory / lab
    directory.mkdir(parents=True)
    try:
        note = asdict(Entry(lab, purpose, os.getpid(), _started(os.getpid()) or 0))
        (directory / _NOTE).write_text(json.dumps(note))
        yield lab, directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def entries(run_directory: Path = RUN_DIRECTORY) -> list[Entry]:
    """All labs with a note; a lab that died before it wrote one has no more than its directory."""
    notes = sorted(run_directory.glob(f"*/{_NOTE}"))
    return [Entry(**json.loads(note.read_text())) for note in notes]


def find_running(purpose: str, run_directory: Path = RUN_DIRECTORY) -> Entry:
    """The one living lab of that purpose; NotFound or Refused if there is none, or more than one."""
    found = [entry for entry in entries(run_directory) if entry.alive and entry.purpose == purpose]
    if not found:
        raise NotFound("no lab is up; 'pxed lab up' makes one")
    if len(found) > 1:
        raise Refused(f"more than one lab is up, name one of them: {', '.join(entry.lab for entry in found)}")
    return found[0]


def down(lab: str, run_directory: Path = RUN_DIRECTORY) -> bool:
    """Ends a lab, whoever runs it, and removes what is left; false if there was nothing."""
    directory = run_directory / lab
    there = directory.is_dir() or lab in labs_with_namespaces()
    entry = next((entry for entry in entries(run_directory) if entry.lab == lab), None)
    if entry is not None:
        _end_owner(entry)
    tear_down(lab)
    shutil.rmtree(directory, ignore_errors=True)
    return there


def _end_owner(entry: Entry) -> None:
    """Asks the owner to take its lab down and waits for its end."""
    try:
        process = os.pidfd_open(entry.owner)
    except ProcessLookupError:
        return
    try:
        if not entry.alive:  # looked at after the descriptor was had: it cannot be another process from here on
            return
        signal.pidfd_send_signal(process, signal.SIGTERM)
        if not select.select([process], [], [], _PATIENCE)[0]:
            signal.pidfd_send_signal(process, signal.SIGKILL)
            select.select([process], [], [])
    finally:
        os.close(process)


def _started(pid: int) -> int | None:
    """When a process began; None if there is none of that number, or it has ended and only waits for its parent."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()  # the name before may hold anything, brackets and blanks too
    return None if fields[0] in {"Z", "X"} else int(fields[19])
