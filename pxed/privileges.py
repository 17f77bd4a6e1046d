"""Gives up root after the ports are bound, and keeps the one capability that later binds need.

An interface that appears while the service runs, and a worker that is started again, have to bind ports below 1024.
So CAP_NET_BIND_SERVICE stays, ambient so that workers inherit it (capabilities(7)); everything else goes. Under systemd
the unit does all this and the process never was root; then there is nothing to do here.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import struct

from pxed.errors import ConfigError, NotPermitted

_PR_SET_KEEPCAPS = 8
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_NET_BIND_SERVICE = 10
_LINUX_CAPABILITY_VERSION_3 = 0x20080522


def owner_of(user: str) -> tuple[int, int]:
    """User and group id of `user`; ConfigError if there is no such user."""
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        fault = (
            "service.user",
            f"there is no user {user!r}; create it with `useradd --system {user}`, or leave it empty",
        )
        raise ConfigError("configuration", (fault,)) from None
    return entry.pw_uid, entry.pw_gid


def become(user: str) -> None:
    """Makes this process `user` for good, with CAP_NET_BIND_SERVICE and nothing else. Does nothing unless root."""
    if not user or os.geteuid() != 0:
        return
    uid, gid = owner_of(user)
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0))
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    bit = 1 << _CAP_NET_BIND_SERVICE
    header = struct.pack("=Ii", _LINUX_CAPABILITY_VERSION_3, 0)
    # effective, permitted, inheritable; twice, for the lower and the upper 32 capabilities
    _check(libc.capset(header, struct.pack("=6I", bit, bit, bit, 0, 0, 0)))
    _check(libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_NET_BIND_SERVICE, 0, 0))
    _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def _check(result: int) -> None:
    if result != 0:
        raise NotPermitted(f"privileges cannot be dropped: {os.strerror(ctypes.get_errno())}")
