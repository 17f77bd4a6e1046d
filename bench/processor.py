"""Processor time of a server and of every process that it starts, those included that nobody waits for.

A control group (cgroups(7), version 1 or 2) counts them all, in nanoseconds. Where none can be made, the times in
/proc are summed up, and the processes that have ended without being waited for are missed.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CONTROL = Path("/sys/fs/cgroup")
_TICK = os.sysconf("SC_CLK_TCK")
_PREFIX = "pxbench"
_GONE = 2.0
"""seconds within which the processes of a group that were killed have left it"""


@contextmanager
def counted(arguments: list[str]) -> Iterator[list[str]]:
    """The command line that runs `arguments` in a control group of its own, for as long as the block lasts."""
    group = _make_group()
    if group is None:
        yield arguments
        return
    try:
        yield ["sh", "-c", 'echo $$ >"$0" && exec "$@"', str(group / "cgroup.procs"), *arguments]
    finally:
        _remove(group)


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and its descendants: of its group, if `counted` has made one for it."""
    group = _group_of(pid)
    return _of_family(pid) if group is None else _of_group(group)


def busy_seconds() -> float:
    """Time that all processors of the machine have worked, for whatever and whomever."""
    times = list(map(int, _read("/proc/stat").split(maxsplit=9)[1:9]))
    idle, waiting = times[3:5]
    return (sum(times) - idle - waiting) / _TICK


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        fields = _stat(int(path.name))
        if fields:
            parents.setdefault(int(fields[1]), []).append(int(path.name))
    found = [pid]
    for one in found:
        found.extend(parents.get(one, ()))
    return found


def _make_group() -> Path | None:
    for parent in (_CONTROL / "cpuacct", _CONTROL):
        if (parent / "cpuacct.usage").exists() or (parent / "cgroup.controllers").exists():
            group = parent / f"{_PREFIX}-{os.getpid()}-{time.monotonic_ns()}"
            try:
                group.mkdir()
            except OSError:
                continue
            return group
    return None


def _remove(group: Path) -> None:
    end = time.monotonic() + _GONE
    while group.exists() and time.monotonic() < end:
        with contextlib.suppress(OSError):
            group.rmdir()
            return
        time.sleep(0.01)


def _group_of(pid: int) -> Path | None:
    try:
        found = re.search(
            rf"^\d+:(?:.*\bcpuacct\b.*)?:/(.*{_PREFIX}-[^/\n]+)$", _read(f"/proc/{pid}/cgroup"), re.MULTILINE
        )
    except FileNotFoundError:
        return None
    if found is None:
        return None
    groups = (parent / found[1] for parent in (_CONTROL / "cpuacct", _CONTROL))
    return next((group for group in groups if group.is_dir()), None)


def _of_group(group: Path) -> float:
    usage = group / "cpuacct.usage"
    if usage.exists():
        return int(usage.read_text()) / 1e9
    return int(_read(group / "cpu.stat").split()[1]) / 1e6


def _of_family(pid: int) -> float:
    return sum(sum(map(int, fields[11:15])) for one in family(pid) if (fields := _stat(one))) / _TICK


def _stat(pid: int) -> list[str]:
    """The fields of proc(5) from the third, the state, on; none if the process is gone."""
    try:
        return _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _read(path: str | Path) -> str:
    return Path(path).read_text()
