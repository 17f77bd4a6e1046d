"""Boot images over HTTP: bytes for a second of server CPU, `pxed serve` beside nginx with sendfile."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bench import noise
from bench.http_load import Fetched, Load
from bench.network import INTERFACE, Network, network
from bench.network import run as run_program
from bench.packages import CACHE, unpack
from bench.processor import cpu_seconds
from bench.result import SUBJECT, Result
from bench.serving import running, until_listening
from pxed.boot.token import Grant, seal
from pxed.site.boot_image import Cpu

_PXED_PORT, _NGINX_PORT = 8067, 8068
_PXED_TLS_PORT, _NGINX_TLS_PORT = 8443, 8444
_MB = 1_000_000
_FOREVER = 2**32 - 1
_PXED = (sys.executable, "-m", "pxed")
QUICK = "HTTP: one round with fewer clients; without the large file"


@dataclass(frozen=True)
class _Server:
    name: str
    """that of a peer with its version"""
    port: int
    tls_port: int
    base: str
    """what comes before a file's name in its path"""
    pid: int


@dataclass(frozen=True)
class _Trial:
    """One load for each server in turn: a round takes seconds, all of them about four minutes."""

    what: str
    load: Load
    rounds: int
    quick_clients: int
    """each with a request in the single round of a quick run; 0 if that leaves it out"""
    bar: float | None

    @property
    def name(self) -> str:
        """As in the table."""
        return f"{'HTTPS, ' if self.load.tls else ''}{self.load.clients} clients at once, {self.what}"

    def quickly(self) -> _Trial:
        """As a quick run has it."""
        few = replace(self.load, clients=self.quick_clients, requests=self.quick_clients)
        return replace(self, load=few, rounds=1)


_TRIALS = (
    _Trial(
        "20 MB each",
        Load("small.img", "small.img", 500, 1000, size=20 * _MB),
        rounds=31,
        quick_clients=250,
        bar=0.9,
    ),
    _Trial(
        "150 MB each",
        Load("large.img", "large.img", 500, 500, size=150 * _MB),
        rounds=3,
        quick_clients=0,
        bar=0.9,
    ),
    _Trial(
        "the second half of 20 MB by Range",
        Load("small.img", "small.img", 500, 1500, first=10 * _MB, size=10 * _MB, status=206),
        rounds=31,
        quick_clients=250,
        bar=0.9,
    ),
    _Trial(
        "20 ranges of 1 MiB on each connection",
        Load("large.img", "large.img", 500, 10_000, each=20, first=77 * _MB, size=1 << 20, status=206),
        rounds=3,
        quick_clients=0,
        bar=None,
    ),
    _Trial(
        "20 MB each",
        Load("small.img", "small.img", 100, 200, size=20 * _MB, tls=True),
        rounds=5,
        quick_clients=25,
        bar=0.5,
    ),
)


def run(quick: bool) -> list[Result]:
    """All loads, pxed and nginx in turn."""
    trials = [trial.quickly() for trial in _TRIALS if trial.quick_clients] if quick else _TRIALS
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pxed-bench-http-")))
        net = stack.enter_context(network())
        # HTTP goes out through a card that cuts messages up, as those of servers do.
        net.cut_by_card(True)
        config, image = _content(directory)
        servers = [
            stack.enter_context(_pxed(net, directory, config, image)),
            stack.enter_context(_nginx(net, directory)),
        ]
        return [result for trial in trials for result in _measured(net, trial, servers)]


def _measured(net: Network, trial: _Trial, servers: list[_Server]) -> list[Result]:
    what, load, bar = trial.name, trial.load, trial.bar
    work = Result("HTTP", f"{what}: octets per second of server CPU", "MB/s", "higher", bar)
    pace = Result("HTTP", f"{what}: throughput", "MB/s", "higher")
    slow = Result("HTTP", f"{what}: slowest request", "s", "lower")
    for _ in range(trial.rounds):
        for server in servers:
            before = cpu_seconds(server.pid)
            fetched = _fetch(
                net, replace(load, port=server.tls_port if load.tls else server.port, path=server.base + load.path)
            )
            used = cpu_seconds(server.pid) - before
            if fetched.complete < load.requests:
                work.notes.append(
                    f"{server.name}: {load.requests - fetched.complete} of {load.requests} requests failed"
                )
            work.add(server.name, fetched.octets / _MB / used)
            pace.add(server.name, fetched.octets / _MB / fetched.seconds)
            slow.add(server.name, fetched.slowest)
    return [work, pace, slow]


def _fetch(net: Network, load: Load) -> Fetched:
    command = [sys.executable, "-m", "bench.http_load", json.dumps(asdict(load))]
    return Fetched(**json.loads(run_program(net.on_load(command))))


def _content(directory: Path) -> tuple[Path, int]:
    """The configuration of a service point that has a boot image of a small and a large file, and the image's id."""
    config, files = directory / "pxed.toml", []
    config.write_text(
        f'[service]\nstate_dir = "{directory / "state"}"\nrun_dir = "{directory / "run"}"\nuser = ""\n'
        f'[[interface]]\nname = "{INTERFACE}"\n[http]\nport = {_PXED_PORT}\n'
        f'[https]\nport = {_PXED_TLS_PORT}\n[log]\nlevel = "warning"\n'
    )
    for name, size in (("small.img", 20), ("large.img", 150)):
        files.append(directory / name)
        noise.write_file(files[-1], size * _MB)
    small, large = map(str, files)
    command = [*_PXED, "bootimage", "add", "bench", "--arch", Cpu.AMD64, "--kernel", small, "--initrd", large]
    run_program([*command, "--config", str(config)])
    run_program([*_PXED, "cert", "init", "--config", str(config)])
    (image,) = json.loads(run_program([*_PXED, "bootimage", "list", "--json", "--config", str(config)]))
    return config, int(image["id"])


@contextmanager
def _pxed(net: Network, directory: Path, config: Path, image: int) -> Iterator[_Server]:
    serve = net.on_server([*_PXED, "serve", "--config", str(config)])
    with running(net, serve, directory / "pxed.words") as pid:
        until_listening(net, _PXED_PORT)
        key = (directory / "state" / "key").read_bytes()
        base = f"/b/{seal(Grant(1, 1, image, Cpu.AMD64, _FOREVER), key)}/"
        yield _Server(SUBJECT, _PXED_PORT, _PXED_TLS_PORT, base, pid)


@contextmanager
def _nginx(net: Network, directory: Path) -> Iterator[_Server]:
    """With the certificate of pxed, so that both encrypt alike."""
    config, tls = directory / "nginx.conf", directory / "state" / "tls"
    config.write_text(
        "daemon off; user root; worker_processes 1; worker_rlimit_nofile 8192; "
        f"pid {directory}/nginx.pid; error_log {directory}/nginx.log;\n"
        "events { worker_connections 4096; }\n"
        "http { access_log off; sendfile on; tcp_nopush on; default_type application/octet-stream;\n"
        + "".join(
            f"{kind}_temp_path {directory}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        + f"server {{ listen {_NGINX_PORT} backlog=512; listen {_NGINX_TLS_PORT} ssl backlog=512; root {directory};\n"
        + f"ssl_certificate {tls}/server.pem; ssl_certificate_key {tls}/server.key; }} }}\n"
    )
    package = unpack("nginx", CACHE)
    serve = net.on_server([*package.command("usr/sbin/nginx"), "-c", str(config), "-e", f"{directory}/nginx.log"])
    with running(net, serve, directory / "nginx.words") as pid:
        until_listening(net, _NGINX_PORT)
        yield _Server(f"nginx {package.version}", _NGINX_PORT, _NGINX_TLS_PORT, "/", pid)
