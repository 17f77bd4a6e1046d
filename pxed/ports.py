"""Who holds a port of this host."""

from __future__ import annotations

import psutil


def holder_of(protocol: str, port: int) -> str:
    """The program that has `port` of `protocol` (UDP, TCP) open, as `name (process 123)`; empty if that cannot be seen.

    Other users' processes are seen by root only.
    """
    try:
        connections = psutil.net_connections(f"{protocol.lower()}4")
    except psutil.Error:
        return ""
    for connection in connections:
        if connection.pid and connection.laddr and connection.laddr.port == port and not connection.raddr:
            try:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
            except psutil.Error:
                continue
    return ""
