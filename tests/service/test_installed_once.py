"""Exactly once, with real processes: two service points on one database, and one that is killed again and again.

`make proof` runs them at full length: a thousand boots, and some hundred kills.
"""

import os
import random
import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pxed.site.database import open_database
from pxed.site.sql import Link, transaction
from pxed.site.sql.sqlite import SqliteDatabase
from tests.postgresql import Server
from tests.service.machines import Broadcasts, Machine
from tests.service.namespaces import Serving
from tests.service.segment import Segment, Spot
from tests.support import KEY

AT_LENGTH = bool(os.environ.get("PXED_PROOF"))
pytestmark = [pytest.mark.netns, pytest.mark.timeout(3600 if AT_LENGTH else 120)]

COMPUTERS = 500 if AT_LENGTH else 12
KILLS = 300 if AT_LENGTH else 20
THREADS = 4
MOST_BOOTS = 200
SETTINGS = """
[responder]
attempts = 1000
[tftp]
workers = 1
[database]
url = "{url}"
"""


@pytest.fixture
def segment() -> Iterator[Segment]:
    with Segment() as made:
        yield made


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of the database that all share."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/site.db"
    server: Server = request.getfixturevalue("postgresql_server")
    return server.empty_site().render_as_string()


def serving(spot: Spot, root: Path, name: str, url: str) -> Serving:
    """A service point with a state directory of its own, on the database and with the key that all share."""
    (root / name / "state").mkdir(parents=True, exist_ok=True)
    key = root / name / "state" / "key"
    if not key.exists():
        key.touch(mode=0o600)
        key.write_bytes(KEY)
    return Serving(spot, root / name, f'name = "{name}"' + SETTINGS.format(url=url))


def set_up(point: Serving, root: Path, computers: int) -> list[str]:
    """A mandatory advertisement to so many computers; their MAC addresses."""
    macs = [f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}" for number in range(computers)]
    (root / "computers.csv").write_text("".join(f"pc{number},,{mac}\n" for number, mac in enumerate(macs)))
    (root / "vmlinuz").write_bytes(b"kernel")
    (root / "initrd.img").write_bytes(b"initrd")
    (root / "install.json").write_text('{"steps": [{"kind": "command", "name": "Say", "run": "echo hello"}]}')
    point.cli("collection", "add", "Lab")
    point.cli("computer", "import", str(root / "computers.csv"), "--collection", "Lab")
    files = ("--kernel", f"{root}/vmlinuz", "--initrd", f"{root}/initrd.img")
    point.cli("bootimage", "add", "rescue", "--arch", "amd64", *files, "--command-line", "quiet")
    point.cli("sequence", "add", "install", f"{root}/install.json", "--boot-image", "rescue")
    point.cli("advertise", "install", "--to", "Lab", "--mandatory")
    return macs


def let_live(segment: Segment, machines: list[Machine], each: Callable[[Machine, Broadcasts], None]) -> None:
    """Does `each` for all machines, several at the same time; what one of them meets is everybody's failure."""
    left, faults = iter(machines), []
    lock = threading.Lock()
    air = segment.among_machines(Broadcasts)

    def work() -> None:
        try:
            while True:
                with lock:
                    machine = next(left, None)
                if machine is None:
                    return
                each(machine, air)
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=segment.among_machines, args=(work,)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    air.close()
    if faults:
        raise faults[0]


def check_exactly_once(url: str, machines: list[Machine]) -> None:
    """Everybody had a whole boot image, nobody was installed twice, and no try was handed out by two."""
    database = open_database(url, Path())
    if isinstance(database, SqliteDatabase):
        with closing(Link(database)) as link:
            assert link.command("PRAGMA integrity_check") == ("ok",)
    with transaction(database, "") as tx:
        states = Counter(record.state.value for record in tx.all_records())
    installed = sum(machine.installed for machine in machines)
    assert states == Counter(succeeded=installed, booting=len(machines) - installed)
    for machine in machines:
        assert machine.fetched
        assert len(machine.given) == machine.installed
        points = defaultdict(set)
        for record, number, address in machine.claims:
            points[record, number].add(address)
        assert all(len(addresses) == 1 for addresses in points.values())
        assert len({record for record, _, _ in machine.claims}) == 1


def test_two_service_points_on_one_database_never_both_hand_out(segment: Segment, url: str, tmp_path: Path) -> None:
    north, south = serving(segment.north, tmp_path, "north", url), serving(segment.south, tmp_path, "south", url)
    macs = set_up(north, tmp_path, COMPUTERS)
    (tmp_path / "south" / "state" / "images").symlink_to(tmp_path / "north" / "state" / "images")
    machines = [Machine(mac, KEY, random.Random(mac)) for mac in macs]  # noqa: S311 - the same in every run
    with north, south:

        def install_and_boot_again(machine: Machine, air: Broadcasts) -> None:
            machine.live(air, MOST_BOOTS)
            machine.crashes = 0
            assert not machine.boot(air), "installed, and asked to boot again"

        let_live(segment, machines, install_and_boot_again)
    check_exactly_once(url, machines)
    assert sum(machine.boots for machine in machines) >= 2 * COMPUTERS
    assert {address for machine in machines for _, _, address in machine.claims} == {"192.0.2.1", "192.0.2.2"}
    assert "Traceback" not in north.log + south.log


def test_a_service_that_is_killed_at_any_moment(segment: Segment, url: str, tmp_path: Path) -> None:
    kills = KILLS if url.startswith("sqlite") else KILLS // 4  # nobody kills the server there
    macs = set_up(serving(segment.north, tmp_path, "north", url), tmp_path, 100 * kills)
    moment = random.Random(7)  # noqa: S311 - the same in every run
    running = started(segment.north, tmp_path, url)
    machines = [Machine(mac, KEY, random.Random(mac), crashes=0.02) for mac in macs]  # noqa: S311
    living: list[Machine] = []
    over = threading.Event()

    def live_while_it_is_killed(machine: Machine, air: Broadcasts) -> None:
        if not over.is_set():
            living.append(machine)
            machine.live(air, MOST_BOOTS)

    booting = threading.Thread(target=let_live, args=(segment, machines, live_while_it_is_killed))
    booting.start()
    try:
        for number in range(10 * kills):
            if number >= kills and len(living) > THREADS:  # a slow machine boots few computers between so many kills
                break
            time.sleep(moment.uniform(0, 0.2))
            running.signal(signal.SIGKILL)
            assert running.stop() == -signal.SIGKILL
            assert "Traceback" not in running.log
            running = started(segment.north, tmp_path, url)
    finally:
        over.set()
        booting.join()
        running.stop()
    assert len(living) > THREADS
    check_exactly_once(url, living)


def started(spot: Spot, root: Path, url: str) -> Serving:
    """Running, once the ports of the one that was killed are free."""
    for _ in range(100):
        made = serving(spot, root, "north", url).start()
        try:
            made.wait_for_log("answers on")
        except AssertionError:
            made.stop()
        else:
            return made
    raise AssertionError(made.log)
