"""Boot images over HTTP: bytes for a second of server CPU, `pxed serve` beside nginx with sendfile."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil

from bench import noise
from bench.http_load import Fetched, Load
from bench.network import INTERFACE, Network, network
from bench.packages import CACHE, unpack
from bench.result import Result
from pxed.boot.token import Grant, seal
from pxed.site.model import Cpu

_PXED_PORT, _NGINX_PORT = 8067, 8068
_PXED_TLS_PORT, _NGINX_TLS_PORT = 8443, 8444
_MB = 1_000_000
_FOREVER = 2**32 - 1
_PXED = (sys.executable, "-m", "pxed")


@dataclass(frozen=True)
class _Server:
    port: int
    tls_port: int
    base: str
    """what comes before a file's name in its path"""
    process: psutil.Process


@dataclass(frozen=True)
class _Trial:
    """One load for each server in turn: a round takes seconds, all of them about four minutes."""

    name: str
    load: Load
    rounds: int
    quick_requests: int
    """in the single round of a quick run; 0 if that leaves it out"""
    bar: float | None


_TRIALS = (
    _Trial(
        "500 clients at once, 20 MB each",
        Load("small.img", "small.img", 500, 1000, size=20 * _MB),
        rounds=5,
        quick_requests=500,
        bar=0.9,
    ),
    _Trial(
        "500 clients at once, 150 MB each",
        Load("large.img", "large.img", 500, 500, size=150 * _MB),
        rounds=3,
        quick_requests=0,
        bar=0.9,
    ),
    _Trial(
        "500 clients at once, the second half of 20 MB by Range",
        Load("small.img", "small.img", 500, 1500, first=10 * _MB, size=10 * _MB, status=206),
        rounds=7,
        quick_requests=500,
        bar=0.9,
    ),
    _Trial(
        "500 clients at once, 20 ranges of 1 MiB on each connection",
        Load("large.img", "large.img", 500, 10_000, each=20, first=77 * _MB, size=1 << 20, status=206),
        rounds=3,
        quick_requests=0,
        bar=None,
    ),
    _Trial(
        "HTTPS, 100 clients at once, 20 MB each",
        Load("small.img", "small.img", 100, 200, size=20 * _MB, tls=True),
        rounds=5,
        quick_requests=100,
        bar=0.5,
    ),
)


def run(quick: bool) -> list[Result]:
    """All loads, pxed and nginx in turn."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pxed-bench-http-")))
        net = stack.enter_context(network())
        # HTTP goes out through a card that cuts messages up, as those of servers do.
        _output(["ip", "-n", net.server, "link", "set", INTERFACE, "gso_max_segs", "65535"])
        config, image = _content(directory)
        servers = {
            "pxed": stack.enter_context(_pxed(net, directory, config, image)),
            "nginx": stack.enter_context(_nginx(net, directory)),
        }
        results = []
        for trial in _TRIALS:
            if quick and trial.quick_requests:
                once = replace(trial, rounds=1, load=replace(trial.load, requests=trial.quick_requests))
                results += _measured(net, once, servers)
            elif not quick:
                results += _measured(net, trial, servers)
        return results


def _measured(net: Network, trial: _Trial, servers: dict[str, _Server]) -> list[Result]:
    what, load, bar = trial.name, trial.load, trial.bar
    work = Result("HTTP", f"{what}: octets per second of server CPU", "MB/s", "higher", bar)
    pace = Result("HTTP", f"{what}: throughput", "MB/s", "higher")
    slow = Result("HTTP", f"{what}: slowest request", "s", "lower")
    for _ in range(trial.rounds):
        for name, server in servers.items():
            before = _cpu_seconds(server.process)
            fetched = _fetch(
                net, replace(load, port=server.tls_port if load.tls else server.port, path=server.base + load.path)
            )
            used = max(_cpu_seconds(server.process) - before, 0.01)
            if fetched.complete < load.requests:
                work.notes.append(f"{name}: {load.requests - fetched.complete} of {load.requests} requests failed")
            work.add(name, fetched.octets / _MB / used)
            pace.add(name, fetched.octets / _MB / fetched.seconds)
            slow.add(name, fetched.slowest)
    return [work, pace, slow]


def _fetch(net: Network, load: Load) -> Fetched:
    command = [sys.executable, "-m", "bench.http_load", json.dumps(asdict(load))]
    return Fetched(**json.loads(_output(net.on_load(command))))


def _cpu_seconds(server: psutil.Process) -> float:
    """Of a server and all its children, user and system time."""
    times = [process.cpu_times() for process in (server, *server.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def _content(directory: Path) -> tuple[Path, int]:
    """The configuration of a service point that has a boot image of a small and a large file, and the image's id."""
    config, files = directory / "pxed.toml", []
    config.write_text(
        f'[service]\nstate_dir = "{directory / "state"}"\nrun_dir = "{directory / "run"}"\nuser = ""\n'
        f'[[interface]]\nname = "eth0"\n[http]\nport = {_PXED_PORT}\n'
        f'[https]\nport = {_PXED_TLS_PORT}\n[log]\nlevel = "warning"\n'
    )
    for name, size in (("small.img", 20), ("large.img", 150)):
        files.append(directory / name)
        noise.write_file(files[-1], size * _MB)
    small, large = map(str, files)
    command = [*_PXED, "bootimage", "add", "bench", "--arch", Cpu.AMD64, "--kernel", small, "--initrd", large]
    _output([*command, "--config", str(config)])
    _output([*_PXED, "cert", "init", "--config", str(config)])
    (image,) = json.loads(_output([*_PXED, "bootimage", "list", "--json", "--config", str(config)]))
    return config, int(image["id"])


@contextmanager
def _pxed(net: Network, directory: Path, config: Path, image: int) -> Iterator[_Server]:
    with _serving(net, [*_PXED, "serve", "--config", str(config)], _PXED_PORT) as process:
        key = (directory / "state" / "key").read_bytes()
        yield _Server(_PXED_PORT, _PXED_TLS_PORT, f"/b/{seal(Grant(1, 1, image, Cpu.AMD64, _FOREVER), key)}/", process)


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
    program = unpack("nginx", CACHE).command("usr/sbin/nginx")
    with _serving(net, [*program, "-c", str(config), "-e", f"{directory}/nginx.log"], _NGINX_PORT) as process:
        yield _Server(_NGINX_PORT, _NGINX_TLS_PORT, "/", process)


@contextmanager
def _serving(net: Network, command: list[str], port: int) -> Iterator[psutil.Process]:
    with subprocess.Popen(net.on_server(command), stdin=subprocess.DEVNULL) as process:
        try:
            until_listening(net, port)
            yield psutil.Process(process.pid)
        finally:
            process.terminate()


def until_listening(net: Network, port: int) -> None:
    """Waits for a TCP server; RuntimeError if there is none after 20 s."""
    wanted = f":{port} "
    for _ in range(200):
        if wanted in _output(net.on_server(["ss", "-Hltn"])):
            return
        time.sleep(0.1)
    raise RuntimeError(f"nothing listens on {port}")


def _output(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    for result in run(quick="--quick" in sys.argv):
        print(result.name, {server: result.median(server) for server in result.samples}, result.ratio(), result.notes)
