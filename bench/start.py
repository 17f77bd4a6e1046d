"""From exec of `pxed serve` to its first answer, to a computer that asks every 5 ms; the time of `pxed --version`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.answers import make_site
from bench.network import INTERFACE, Network, network
from bench.network import run as run_program
from bench.result import SUBJECT, Result
from bench.serving import Silent, running

_PXED = (sys.executable, "-m", "pxed")


def run(quick: bool) -> list[Result]:
    """Medians of several starts; the site's pages are in the system's cache, as after a restart of the service."""
    computers, rounds = (100_000, 3) if quick else (1_000_000, 7)
    name = f"pxed serve with {computers:,} computers: exec to the first answer"
    first = Result("Start", name, "s", "lower", limit=1.0)
    version = Result("Start", "pxed --version", "s", "lower", limit=0.15)
    with tempfile.TemporaryDirectory(prefix="pxed-bench-start-") as made, network() as net:
        directory = Path(made)
        make_site(directory / "state", computers)
        config = directory / "pxed.toml"
        config.write_text(
            f'[service]\nstate_dir = "{directory / "state"}"\nrun_dir = "{directory / "run"}"\nuser = ""\n'
            f'[[interface]]\nname = "{INTERFACE}"\n'
        )
        for _ in range(rounds):
            first.add(SUBJECT, _start(net, config, directory / "words"))
            begun = time.monotonic()
            run_program([*_PXED, "--version"])
            version.add(SUBJECT, time.monotonic() - begun)
    return [first, version]


def _start(net: Network, config: Path, words: Path) -> float:
    """Seconds to the first answer."""
    load = net.on_load([sys.executable, "-m", "bench.start_load"])
    with subprocess.Popen(load, stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdout is not None  # noqa: S101 - a pipe
        asking.stdout.readline()
        begun = time.monotonic()
        with running(net, net.on_server([*_PXED, "serve", "--config", str(config)]), words):
            arrived = asking.stdout.readline()
    if not arrived:
        raise Silent("did not answer")
    return float(arrived) - begun


if __name__ == "__main__":
    for result in run("--quick" in sys.argv):
        print(result.name, result.unit, result.samples, result.met())
