"""Runs a command as the systemd unit would, where no systemd is: `python -m tests.service.confinement COMMAND...`.

Takes from systemd/pxed.service the system call filter, the address families, the capabilities, what is seen of /proc,
and that memory is never writable and executable, and puts them on itself with libseccomp, as systemd does
(systemd.exec(5)). A call that the filter refuses ends the process with SIGSYS instead of EPERM: what is refused quietly
would not be seen. The user stays root, without its privileges: another one may not be able to read the interpreter.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

UNIT = Path(__file__).parents[2] / "systemd" / "pxed.service"

_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_EQUAL, _MASKED_EQUAL = 4, 7
_NONE = -1
"""seccomp_syscall_resolve_name(3) of a name that this architecture does not have"""
_ALWAYS = "@default", "execve", "exit", "exit_group", "getrlimit", "rt_sigreturn", "time"
"""implicitly allowed with a list of what is allowed (systemd.exec(5), SystemCallFilter=)"""
_OF_ROOT = "fchown"
"""SQLite gives its files to the owner of the database if it is root (robustFchown of os_unix.c)"""
_ADDRESS_FAMILIES = 46
_SHM_EXEC = 0o100000


class _Comparison(ctypes.Structure):
    """struct scmp_arg_cmp of seccomp.h."""

    _fields_ = (("argument", ctypes.c_uint), ("operator", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


class _Filter:
    """A filter with a default action and exceptions; every loaded one is asked, and the strictest answer counts."""

    def __init__(self, default: int) -> None:
        self._library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.seccomp_init(ctypes.c_uint32(default)))

    def add(self, action: int, call: str, *compared: tuple[int, int, int, int]) -> None:
        number = self._library.seccomp_syscall_resolve_name(call.encode())
        if number == _NONE:
            return
        comparisons = (_Comparison * len(compared))(*(_Comparison(*one) for one in compared))
        _check(
            -self._library.seccomp_rule_add_array(
                self._context, ctypes.c_uint32(action), number, len(compared), comparisons
            )
        )

    def load(self) -> None:
        _check(-self._library.seccomp_load(self._context))


def _check(error: int) -> None:
    if error > 0:
        raise OSError(error, os.strerror(error))


def settings(name: str) -> list[str]:
    """The values of a setting of the unit, in order."""
    lines = UNIT.read_text().splitlines()
    return [line.partition("=")[2] for line in lines if line.partition("=")[0] == name]


def calls_of(words: Iterable[str]) -> Iterator[str]:
    """System calls with their groups written out."""
    for word in words:
        if word.startswith("@"):
            command = ["systemd-analyze", "syscall-filter", word]
            listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            members = [line.strip() for line in listed.splitlines()[1:]]
            yield from calls_of(member for member in members if member and not member.startswith("#"))
        else:
            yield word


def allowed_calls() -> set[str]:
    """What SystemCallFilter= comes to: the first line allows, later ones take away (~) or add."""
    allowed = set(calls_of(_ALWAYS))
    for value in settings("SystemCallFilter"):
        if value.startswith("~"):
            allowed -= set(calls_of(value[1:].split()))
        else:
            allowed |= set(calls_of(value.split()))
    return allowed


def confine() -> None:
    """Puts this process, and all that come of it, into the unit's room; the privilege to do so must be gone already."""
    calls = _Filter(_KILL)
    for call in sorted({*allowed_calls(), _OF_ROOT}):
        calls.add(_ALLOW, call)
    arguments = _Filter(_ALLOW)
    families = {getattr(socket, name).value for name in settings("RestrictAddressFamilies")[0].split()}
    for family in set(range(_ADDRESS_FAMILIES)) - families:
        arguments.add(_ERRNO | errno.EAFNOSUPPORT, "socket", (0, _EQUAL, family, 0))
    assert settings("MemoryDenyWriteExecute") == ["yes"]
    both = mmap.PROT_WRITE | mmap.PROT_EXEC
    arguments.add(_KILL, "mmap", (2, _MASKED_EQUAL, both, both))
    for call in ("mprotect", "pkey_mprotect"):
        arguments.add(_KILL, call, (2, _MASKED_EQUAL, mmap.PROT_EXEC, mmap.PROT_EXEC))
    arguments.add(_KILL, "shmat", (2, _MASKED_EQUAL, _SHM_EXEC, _SHM_EXEC))
    if settings("RestrictSUIDSGID") == ["yes"]:  # the modes in its arguments cannot be seen by a filter
        arguments.add(_ERRNO | errno.ENOSYS, "openat2")
    arguments.load()
    calls.load()


def wrapped(*command: str) -> list[str]:
    """A command line that runs `command` confined; for a mount namespace of its own, as `ip netns exec` makes one."""
    (capability,) = settings("AmbientCapabilities")
    one = "+" + capability.lower().removeprefix("cap_")
    privileges = ["setpriv", "--no-new-privs", f"--inh-caps=-all,{one}", f"--ambient-caps=-all,{one}"]
    privileges.append(f"--bounding-set=-all,{one}")
    (hidden,) = settings("ProtectProc")
    subset = "".join(f",subset={value}" for value in settings("ProcSubset"))
    proc = ["mount", "-t", "proc", "-o", f"hidepid={hidden}{subset}", "proc", "/proc"]
    return ["sh", "-c", f'{" ".join(proc)} && exec "$@"', "sh", *privileges, sys.executable, "-m", __name__, *command]


if __name__ == "__main__":
    # Groups are written out by a program of systemd's, before the room is closed.
    confine()
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - that is what it is for
