"""A service point in a network namespace and clients in another one, joined by a cable; and the real `pxed serve`."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TypeVar

from pxed.wire.dhcp import BOOTREQUEST, MessageType, Option, Packet, decode
from tests.support import GUID, MAC

T = TypeVar("T")

PATIENCE = 60.0
"""seconds after which something that has to happen counts as not happening"""
_numbers = itertools.count(1)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


class Network:
    """Two namespaces: `point` with eth0 (192.0.2.1/24) and eth1 (198.51.100.1/24), `client` with the other ends."""

    def __init__(self) -> None:
        name = f"pxt{os.getpid()}x{next(_numbers)}"
        self.point, self.client = f"{name}p", f"{name}c"

    def __enter__(self) -> Network:
        for namespace in (self.point, self.client):
            ip("netns", "add", namespace)
            ip("-n", namespace, "link", "set", "lo", "up")
        for index, subnet in enumerate(("192.0.2", "198.51.100")):
            self.plug(f"eth{index}", f"{subnet}.1/24", f"{subnet}.2/24")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for namespace in (self.point, self.client):
            subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)

    def plug(self, name: str, ours: str, theirs: str) -> None:
        """A cable between two interfaces called `name`."""
        ip("-n", self.point, "link", "add", name, "type", "veth", "peer", "name", name, "netns", self.client)
        for namespace, address in ((self.point, ours), (self.client, theirs)):
            ip("-n", namespace, "addr", "add", address, "dev", name)
            ip("-n", namespace, "link", "set", name, "up")

    def in_client(self, action: Callable[[], T]) -> T:
        """Runs `action` in a thread that lives in the client's namespace: sockets it makes stay there."""
        return inside(self.client, action)

    def in_point(self, action: Callable[[], T]) -> T:
        """The same at the service point."""
        return inside(self.point, action)


def inside(namespace: str, action: Callable[[], T]) -> T:
    import ctypes

    result: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue()

    def run() -> None:
        try:
            with open(f"/run/netns/{namespace}", "rb") as handle:  # noqa: PTH123 - a descriptor is wanted
                if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), 0) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            result.put((action(), None))
        except BaseException as error:
            result.put((None, error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    value, error = result.get_nowait()
    if error is not None:
        raise error
    return value  # type: ignore[return-value]


class Place(Protocol):
    """Where a service point runs."""

    @property
    def point(self) -> str:
        """The name of its network namespace."""
        ...


class Serving:
    """A running `pxed serve` with its log."""

    def __init__(
        self,
        network: Place,
        root: Path,
        settings: str = "",
        interfaces: tuple[str, ...] = ("eth0",),
        wrapper: Callable[..., Sequence[str]] = lambda *command: command,
    ) -> None:
        """`wrapper` makes another command line of the service's."""
        self.root = root
        self._wrapper = wrapper
        self.config = root / "pxed.toml"
        self.network = network
        self.write(settings, interfaces)
        self.lines: list[str] = []
        self._process: subprocess.Popen[str]
        self._reader: threading.Thread

    def write(self, settings: str, interfaces: tuple[str, ...] = ("eth0",)) -> None:
        """The configuration file; `settings` may begin with keys of [service], other than its directories."""
        named = "".join(f'[[interface]]\nname = "{name}"\n' for name in interfaces)
        self.config.write_text(
            f'{named}[service]\nstate_dir = "{self.root}/state"\nrun_dir = "{self.root}/run"\n{settings}\n',
            encoding="utf-8",
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self, **environment: str) -> Serving:
        """Starts the process; does not wait."""
        serve = self._wrapper(sys.executable, "-m", "pxed", "serve", "--config", str(self.config))
        self._process = subprocess.Popen(
            ["ip", "netns", "exec", self.network.point, *serve],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        return self

    def __enter__(self) -> Serving:
        self.start()
        try:
            self.wait_for_log("answers on")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> int:
        """SIGTERM, and SIGKILL if that takes too long; the exit status."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        finally:
            self._reader.join()
            assert self._process.stderr
            self._process.stderr.close()
        return self._process.returncode

    def wait(self) -> int:
        """Until it ends by itself; the exit status."""
        self._process.wait(PATIENCE)
        return self.stop()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait_for_log(self, text: str, after: int = 0) -> str:
        """The first line from number `after` on that holds `text`."""

        def found() -> str | None:
            if self._process.poll() is not None and not self._reader.is_alive():
                raise AssertionError(f"the service ended\n{self.log}")
            return next((line for line in self.lines[after:] if text in line), None)

        return until(found, lambda: f"no {text!r} in the log:\n{self.log}")

    @property
    def log(self) -> str:
        return "\n".join(self.lines)

    def status(self) -> dict[str, Any]:
        """What the control socket tells."""
        connection = http.client.HTTPConnection("localhost", timeout=PATIENCE)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(PATIENCE)
        connection.sock.connect(str(self.root / "run" / "control.sock"))
        with contextlib.closing(connection):
            connection.request("GET", "/status")
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
        return answer

    def cli(self, *words: str, stdin: str | None = None) -> str:
        """Runs a verb against the same configuration; its standard output."""
        command = [sys.executable, "-m", "pxed", "--config", str(self.config), *words]
        result = subprocess.run(command, capture_output=True, text=True, check=False, input=stdin)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def _read(self) -> None:
        assert self._process.stderr
        for line in self._process.stderr:
            self.lines.append(line.rstrip("\n"))


def until(probe: Callable[[], T | None], complaint: Callable[[], str], patience: float = PATIENCE) -> T:
    """The first result of `probe` that is not None or False, asked again until patience ends, in seconds."""
    deadline = time.monotonic() + patience
    while True:
        result = probe()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(complaint())
        time.sleep(0.02)


@contextlib.contextmanager
def dhcp_client(network: Network, interface: str, port: int = 68, address: str = "") -> Iterator[socket.socket]:
    """A UDP socket of the client's on `interface`, able to broadcast."""

    def make() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        made.bind((address, port))
        made.settimeout(PATIENCE)
        return made

    with contextlib.closing(network.in_client(make)) as made:
        yield made


def discover(network: Network, interface: str = "eth0", **more: bytes) -> Packet:
    """The answer to a DISCOVER of PC1's firmware, x64 UEFI, on `interface`, with `more` options by name."""
    options: dict[int, bytes] = {
        Option.DHCP_MESSAGE_TYPE: bytes((MessageType.DISCOVER,)),
        Option.CLIENT_SYSTEM_ARCHITECTURE: b"\0\7",
        Option.VENDOR_CLASS_IDENTIFIER: b"PXEClient:Arch:00007:UNDI:003016",
        **{Option[name]: value for name, value in more.items()},
    }
    chaddr = bytes.fromhex(MAC.replace(":", "")).ljust(16, b"\0")
    with dhcp_client(network, interface) as client:
        client.sendto(Packet(BOOTREQUEST, xid=9, chaddr=chaddr, options=options).encode(), ("255.255.255.255", 67))
        return decode(client.recvfrom(2000)[0])


def know_pc1(serving: Serving) -> None:
    """Makes the site know PC1."""
    serving.cli("computer", "add", "PC1", "--mac", MAC, "--guid", str(GUID))


def curl(network: Network, url: str, *options: str) -> bytes:
    """What the client is sent for `url`."""
    command = ["ip", "netns", "exec", network.client, "curl", "--silent", "--show-error", "--fail", "--max-time", "30"]
    result = subprocess.run([*command, *options, url], capture_output=True, check=False)
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout
