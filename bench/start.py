"""From exec of `pxed serve` to its first answer, to a computer that asks every 5 ms; how long commands take.

Each is a process of its own, whole from exec to exit, but for `pxed computer list`: its reader has the first lines, and
leaves. Modules are compiled before, as an installation leaves them.
"""

from __future__ import annotations

import compileall
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pxed
from bench.answers import make_site
from bench.answers_load import mac_of
from bench.network import INTERFACE, Network, network
from bench.network import run as run_program
from bench.result import SUBJECT, Result
from bench.serving import Silent, running
from pxed.site.database import open_database
from pxed.site.draft import Draft
from pxed.site.model import Kind, PxeRecord, RecordState
from pxed.site.sql import transaction

_PXED = (sys.executable, "-m", "pxed")
_AREA = "Start and commands"
_COMMAND_SECONDS = 0.3
_IMPORT_SECONDS = 20.0
_PAUSE = 0.005
"""seconds between two DISCOVERs of the computer that waits for the first answer"""
QUICK = "Start and commands: two rounds, with 100,000 computers; one import of 10,000"


def run(quick: bool) -> list[Result]:
    """Medians of several starts; the site's pages are in the system's cache, as after a restart of the service."""
    computers, rounds = (100_000, 2) if quick else (1_000_000, 7)
    site = f"{computers:,} computers"
    serve = Result(_AREA, f"pxed serve with {site}: exec to the first answer", "s", "lower", limit=1.0)
    version = Result(_AREA, "pxed --version", "s", "lower", limit=0.15)
    listing = Result(_AREA, f"pxed computer list with {site}: first lines", "s", "lower", limit=_COMMAND_SECONDS)
    explain = Result(_AREA, f"pxed explain with {site}", "s", "lower", limit=_COMMAND_SECONDS)
    clear = Result(_AREA, f"pxed clear-last with {site}", "s", "lower", limit=_COMMAND_SECONDS)
    compileall.compile_dir(Path(pxed.__file__).parent, quiet=1)
    with tempfile.TemporaryDirectory(prefix="pxed-bench-start-") as made, network() as net:
        directory = Path(made)
        make_site(directory / "state", computers)
        names = [f"pc{computers - number}" for number in range(rounds)]
        _hand_out(directory / "state", names)
        config = directory / "pxed.toml"
        config.write_text(
            f'[service]\nstate_dir = "{directory / "state"}"\nrun_dir = "{directory / "run"}"\nuser = ""\n'
            f'[[interface]]\nname = "{INTERFACE}"\n'
        )
        for name in names:
            serve.add(SUBJECT, _start(net, config, directory / "words"))
            version.add(SUBJECT, _whole("--version"))
            listing.add(SUBJECT, _first_lines("computer", "list", "--config", str(config)))
            explain.add(SUBJECT, _whole("explain", name, "--config", str(config)))
            clear.add(SUBJECT, _whole("clear-last", name, "--config", str(config)))
    return [serve, version, listing, explain, clear, _imports(10_000 if quick else 100_000, 1 if quick else 3)]


def _imports(computers: int, rounds: int) -> Result:
    """Into a site that has nothing yet, each with a MAC address, a GUID and a collection."""
    name = f"pxed computer import of {computers:,} computers"
    result = Result(_AREA, name, "s", "lower", limit=_IMPORT_SECONDS)
    lines = [f"PC{number},{UUID(int=number + 1)},{mac_of(number).hex(':')}\n" for number in range(computers)]
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="pxed-bench-import-") as made:
            directory = Path(made)
            config, table = directory / "pxed.toml", directory / "computers.csv"
            config.write_text(f'[service]\nstate_dir = "{made}"\n[[interface]]\nname = "lo"\n')
            table.write_text("".join(lines))
            run_program([*_PXED, "collection", "add", "Imported", "--config", str(config)])
            words = ("computer", "import", str(table), "--collection", "Imported", "--config", str(config))
            result.add(SUBJECT, _whole(*words))
    return result


def _hand_out(state: Path, names: list[str]) -> None:
    """Something mandatory to these computers, of which they have records that can be cleared."""
    now = datetime.now(UTC)
    with transaction(open_database("sqlite:///pxed.db", state), "bench", now) as tx:
        home = tx.add_collection("reinstalled")
        advertisement = tx.advertise(Draft("Reinstall", Kind.MANDATORY, "install", home.name, now))
        for name in names:
            found = tx.find_computer(name)
            assert found is not None  # noqa: S101 - the site was made with it
            tx.add_member(home.id, found.id)
            tx.save_record(PxeRecord(0, str(found.id), advertisement.id, RecordState.BOOTING, 1, now, now, "", ""))


def _whole(*arguments: str) -> float:
    """Seconds of a command."""
    begun = time.monotonic()
    run_program([*_PXED, *arguments])
    return time.monotonic() - begun


def _first_lines(*arguments: str) -> float:
    """Seconds until a command has printed something; then nobody reads on."""
    begun = time.monotonic()
    with subprocess.Popen([*_PXED, *arguments], stdout=subprocess.PIPE) as listing:
        assert listing.stdout is not None  # noqa: S101 - a pipe
        line = listing.stdout.readline()
        seconds = time.monotonic() - begun
        listing.stdout.close()
    if not line:
        raise RuntimeError(f"pxed {' '.join(arguments)} printed nothing")
    return seconds


def _start(net: Network, config: Path, words: Path) -> float:
    """Seconds to the first answer."""
    load = net.on_load([sys.executable, "-m", "bench.start_load", str(_PAUSE)])
    with subprocess.Popen(load, stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdout is not None  # noqa: S101 - a pipe
        asking.stdout.readline()
        begun = time.monotonic()
        with running(net, net.on_server([*_PXED, "serve", "--config", str(config)]), words):
            arrived = asking.stdout.readline()
    if not arrived:
        raise Silent("did not answer")
    return float(arrived) - begun
