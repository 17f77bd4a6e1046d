"""recvmmsg(2) and sendmmsg(2), which Python does not have: many datagrams for one system call."""

from __future__ import annotations

import ctypes

_libc = ctypes.CDLL(None, use_errno=True)

BATCHED = hasattr(_libc, "recvmmsg") and hasattr(_libc, "sendmmsg") and ctypes.sizeof(ctypes.c_void_p) == 8
"""Whether the C library has them, on a machine whose addresses have 64 bits, for which their arrays are laid out here.
The functions below are there only then, and ctypes.get_errno() after they failed."""


def pointer_to(buffer: bytearray) -> int:
    """Where `buffer` lies; it stays there as long as its length does not change."""
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


if BATCHED:
    recvmmsg, sendmmsg = _libc.recvmmsg, _libc.sendmmsg
    # file descriptor, address of an array of struct mmsghdr, how many those are, flags (and a struct timespec)
    recvmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
    sendmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
