"""Tells systemd how the service is, without a library: sd_notify(3), a datagram to $NOTIFY_SOCKET."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping


class Notifier:
    """Speaks to the service manager; silent where there is none."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # An abstract socket is spelt with @ in the environment and with a zero byte in the address.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        watchdog = environment.get("WATCHDOG_USEC", "")
        self.watchdog_seconds = int(watchdog) / 1e6 if watchdog.isdigit() else 0.0
        """the service must be heard within this time; 0: no watchdog"""

    def ready(self, status: str) -> None:
        """Started, or done with reloading."""
        self._send(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        """The configuration is being read again; `Type=notify-reload` wants the time of it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Shutting down."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """A line for `systemctl status`."""
        self._send(f"STATUS={text}")

    def alive(self) -> None:
        """Feeds the watchdog."""
        self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            try:
                sender.connect(self._address)
                sender.sendall(message.encode())
            except OSError:
                return  # a manager that does not listen is no reason to stop serving
