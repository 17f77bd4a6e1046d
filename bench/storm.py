"""The mixed boot storm: machines by the thousand that go from DISCOVER to the last octet of their boot image, all
through `pxed serve`: ports 67 and 4011, TFTP for the boot loader, HTTP for script and boot image, TFTP for the boot
image of a few.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from bench import noise
from bench.answers_load import guid_of, mac_of
from bench.network import INTERFACE, Network, network
from bench.network import run as run_program
from bench.processor import cpu_seconds
from bench.result import SUBJECT, Result
from bench.serving import resident, running, until_listening
from bench.storm_load import Outcome
from bench.storm_machine import Order, Stage

_MB = 1_000_000
_LOADER = "snponly.efi"
_PORT = 8067
_PXED = (sys.executable, "-m", "pxed")
QUICK = "Storm: once, with 400 machines in place of 2,000"
_COMPARED = "every octet that comes is compared; an answer's time ends with the time stamp of the load's kernel"


def run(quick: bool) -> list[Result]:
    """One storm a round, each on a fresh state directory."""
    order = Order(
        machines=400 if quick else 2000,
        spread=2.0 if quick else 10.0,
        loader=_LOADER,
        loader_size=300_000,
        files={"vmlinuz": 4 * _MB, "initrd.img": 16 * _MB},
        tftp_every=50,
    )
    what = f"{order.machines:,} machines"
    complete = Result("Storm", f"{what}: booted, every octet right", "machines", limit=order.machines)
    calm = Result("Storm", f"{what}: p99 of an answer", "ms", "lower", limit=50.0)
    busy = Result("Storm", f"{what}: p99 of an answer while images are on their way", "ms", "lower", limit=50.0)
    duration = Result("Storm", f"{what}: first power-on to last octet", "s", "lower")
    work = Result("Storm", f"{what}: server CPU", "s", "lower")
    memory = Result("Storm", f"{what}: private memory of service and workers", "MB", "lower")
    results = [complete, calm, busy, duration, work, memory]
    complete.note(_COMPARED)
    for _ in range(1 if quick else 3):
        with tempfile.TemporaryDirectory(prefix="pxed-bench-storm-") as name, network() as net:
            outcome, cpu, private = _storm(net, Path(name), order)
        complete.add(SUBJECT, outcome.complete)
        calm.add(SUBJECT, outcome.stages[Stage.ANSWER][1] * 1000)
        busy.add(SUBJECT, outcome.stages.get(Stage.BUSY, (0.0, 0.0, 0.0))[1] * 1000)
        duration.add(SUBJECT, outcome.seconds)
        work.add(SUBJECT, cpu)
        memory.add(SUBJECT, private)
        duration.note(_told(outcome))
    return results


def _told(outcome: Outcome) -> str:
    stages = "; ".join(
        f"{stage}: {middle:.3f}, {high:.3f}, {worst:.3f} s" for stage, (middle, high, worst) in outcome.stages.items()
    )
    failures = "".join(f"; {count} failed: {reason}" for reason, count in outcome.failures.items())
    pace = outcome.octets / _MB / outcome.seconds
    return f"median, p99 and worst of {stages}; {outcome.repeated} packets repeated; {pace:,.0f} MB/s{failures}"


def _storm(net: Network, directory: Path, order: Order) -> tuple[Outcome, float, float]:
    """What became of it, processor seconds of the service and its workers, and their private megabytes."""
    config = _site(directory, order)
    # HTTP goes out through a card that cuts messages up, as those of servers do.
    net.cut_by_card(True)
    serve = net.on_server([*_PXED, "serve", "--config", str(config)])
    with running(net, serve, directory / "words") as pid:
        until_listening(net, _PORT)
        before = cpu_seconds(pid)
        load = net.on_load([sys.executable, "-m", "bench.storm_load", json.dumps(asdict(order))])
        return Outcome(**json.loads(run_program(load))), cpu_seconds(pid) - before, resident(pid)[0]


def _site(directory: Path, order: Order) -> Path:
    """A configuration, and a site in which all machines have one mandatory task sequence to run."""
    state, config = directory / "state", directory / "pxed.toml"
    (state / "tftp").mkdir(parents=True)
    noise.write_file(state / "tftp" / order.loader, order.loader_size)
    for name, size in order.files.items():
        noise.write_file(directory / name, size)
    config.write_text(
        f'[service]\nstate_dir = "{state}"\nrun_dir = "{directory / "run"}"\nuser = ""\n'
        f'[[interface]]\nname = "{INTERFACE}"\n[http]\nport = {_PORT}\n'
    )
    computers, sequence = directory / "computers.csv", directory / "sequence.json"
    rows = (f"pc{number},{guid_of(number)},{mac_of(number).hex(':')}\n" for number in range(order.machines))
    computers.write_text("name,guid,mac\n" + "".join(rows))
    sequence.write_text('{"steps": [{"kind": "command", "name": "nothing", "run": "true"}]}')
    kernel, initrd = (str(directory / name) for name in order.files)
    for words in (
        ["bootimage", "add", "bench", "--arch", "amd64", "--kernel", kernel, "--initrd", initrd],
        ["sequence", "add", "bench", str(sequence), "--boot-image", "bench"],
        ["collection", "add", "lab"],
        ["computer", "import", str(computers), "--header", "--collection", "lab"],
        ["advertise", "bench", "--to", "lab", "--mandatory"],
    ):
        run_program([*_PXED, *words, "--config", str(config)])
    return config
