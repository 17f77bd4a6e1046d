"""Power, disks and other processes: whatever happens, the site is whole."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from pxed.site.database import open_database
from pxed.site.sql import Database, transaction
from tests.site.samples_of_a_site import own_collections

URL = "sqlite:///pxed.db"

PRELUDE = """
import os, pathlib, resource, sys
from pxed.errors import StoreError
from pxed.site.database import open_database
from pxed.site.sql import SqlReader, transaction
url, state_dir = sys.argv.pop(1), pathlib.Path(sys.argv[1])
database = open_database(url, state_dir, create=True)
"""

EDIT_IN_PAIRS = """
with transaction(database, "") as tx:
    tx.add_collection(sys.argv[2])
print("ready", flush=True)
number = 0
while number < int(sys.argv[3]):
    with transaction(database, "") as tx:
        home = tx.find_collection(sys.argv[2])
        name = f"{sys.argv[2]}{number}"
        mac = f"{sys.argv[4]}:00:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
        tx.add_member(home.id, tx.put_computer(name, [mac], None).id)
        tx.put_sequence("counter", "image", str(int(tx.sequences()[0].document) + 1))
    number += 1
    print(number, flush=True)
"""


def python(code: str, *arguments: object, url: str = URL) -> list[str]:
    """A process that runs `code`; its first argument is the state directory."""
    return [sys.executable, "-c", PRELUDE + code, url, *map(str, arguments)]


@pytest.fixture
def counted(database: Database) -> Database:
    """A site with a number that every transaction of EDIT_IN_PAIRS raises."""
    with transaction(database, "") as tx:
        tx.add_boot_image("image")
        tx.put_sequence("counter", "image", "0")
    return database


def test_of_two_processes_that_edit_nothing_is_lost(counted: Database, new_site: str, tmp_path: Path) -> None:
    editors = [
        subprocess.Popen(python(EDIT_IN_PAIRS, tmp_path, name, 100, mac, url=new_site), stdout=subprocess.DEVNULL)
        for name, mac in (("left", "02:01"), ("right", "02:02"))
    ]
    assert [editor.wait() for editor in editors] == [0, 0]
    with transaction(counted, "") as tx:
        assert tx.sequences()[0].document == "200"
        counts = tx.count_all_members()
        assert {each.name: counts[each.id] for each in own_collections(tx)} == {"left": 100, "right": 100}
        assert sum(1 for _ in tx.computers()) == 200


@pytest.mark.parametrize("seed", range(8))
def test_a_process_that_is_killed_leaves_whole_transactions(
    counted: Database, new_site: str, tmp_path: Path, seed: int
) -> None:
    moment = random.Random(seed)  # noqa: S311 - no secret, but the same in every run
    command = python(EDIT_IN_PAIRS, tmp_path, "c", 10**9, "02:01", url=new_site)
    with subprocess.Popen(command, stdout=subprocess.PIPE) as editor:
        assert editor.stdout is not None
        seen = [editor.stdout.readline() for _ in range(moment.randrange(2, 60))]
        for _ in range(moment.randrange(20_000)):
            pass  # somewhere within one of the next transactions
        editor.send_signal(signal.SIGKILL)
        seen += editor.stdout.read().splitlines()
    assert editor.returncode == -signal.SIGKILL
    committed = int(seen[-1])
    with transaction(counted, "") as tx:
        counter = int(tx.sequences()[0].document)
        assert committed <= counter <= committed + 1  # killed between the commit and its announcement
        home = tx.find_collection("c")
        assert home is not None
        assert tx.count_members(home.id) == counter
        assert sorted(each.name for each in tx.members(home.id)) == sorted(f"c{n}" for n in range(counter))
    if new_site == URL:
        assert check(tmp_path) == ["ok"]


FILL = """
with transaction(database, "") as tx:
    tx.add_collection("before")
    home = tx.find_collection("before")
    tx.add_boot_image("image")
{limit}
try:
    with transaction(database, "") as tx:
        for number in range(2_000):
            pc = tx.put_computer(f"pc{{number}}", [f"0201{{number:08x}}"], None)
            tx.add_member(home.id, pc.id)
            tx.put_sequence(f"large{{number}}", "image", "x" * 10_000)
except StoreError as error:
    print(error.exit_code, error)
with transaction(database, "") as tx:
    print([(each.name, tx.count_members(each.id)) for each in tx.collections() if not each.builtin])
"""


def test_a_limit_of_the_file_size_undoes_the_transaction(tmp_path: Path) -> None:
    limit = "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))"
    told = subprocess.run(python(FILL.format(limit=limit), tmp_path), capture_output=True, text=True, check=True)
    error, after = told.stdout.splitlines()
    assert error.startswith(f"74 the database {tmp_path}/pxed.db cannot be")
    assert after == "[('before', 0)]"
    assert check(tmp_path) == ["ok"]


root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")


def on_a_disk(options: str, state_dir: Path, code: str) -> list[str]:
    """What `code` prints with `state_dir` on a tmpfs of its own, in a mount namespace that ends with it."""
    script = f'mount -t tmpfs -o {options} tmpfs "$1" && exec "$2" -c "$3" {URL} "$1"'
    told = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", str(state_dir), sys.executable, PRELUDE + code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    return told.stdout.splitlines()


@root
def test_a_full_disk_undoes_the_transaction(tmp_path: Path) -> None:
    more = """
with transaction(database, "") as tx:
    tx.add_collection("after")
    print([each.name for each in tx.collections() if not each.builtin])
print(*database.connect().execute("PRAGMA integrity_check").fetchone())
"""
    told = on_a_disk("size=2m", tmp_path, FILL.format(limit="") + more)
    assert told == [
        f"74 the database {tmp_path}/pxed.db cannot grow: the disk is full (database or disk is full)",
        "[('before', 0)]",
        "['after', 'before']",
        "ok",
    ]


@root
def test_a_full_disk_costs_history_but_not_the_service(tmp_path: Path) -> None:
    code = """
from datetime import UTC, datetime
from pxed.site.model import Sighting
from pxed.site.sql import Link
from pxed.site.writer import Writer
NOW = datetime.now(UTC)
SIGHTING = Sighting("02:00:00:00:00:01", None, 7, "eth0", "", NOW, NOW, 1)
writer = Writer(lambda: Link(database), queue=100)
writer.submit(lambda tx: tx.add_collection("before")).result()
filler = state_dir / "filler"
with filler.open("wb", buffering=0) as file:
    try:
        while True:
            file.write(bytes(4096))
    except OSError:
        pass
error = None
while error is None:  # until the log has used what space it had
    writer.submit_droppable(lambda tx: tx.saw(SIGHTING))
    error = writer.submit(lambda tx: tx.remove_collection(tx.add_collection("x" * 255).name)).exception()
print(type(error).__name__, error.exit_code)
filler.unlink()
print(writer.submit(lambda tx: tx.add_collection("after")).result().name)
writer.close()
"""
    assert on_a_disk("size=1m", tmp_path, code) == ["StoreError 74", "after"]


@root
def test_a_disk_that_became_read_only(tmp_path: Path) -> None:
    code = """
import subprocess
with transaction(database, "") as tx:
    tx.add_collection("before")
subprocess.run(["mount", "-o", "remount,ro", str(state_dir)], check=True)
for attempt in (lambda: open_database("sqlite:///pxed.db", state_dir, create=True), lambda: SqlReader(database)):
    try:
        attempt()
    except StoreError as error:
        print(error.exit_code, error)
"""
    told = on_a_disk("size=2m", tmp_path, code)
    assert len(told) == 2
    for line in told:
        assert line.startswith(f"74 the database {tmp_path}/pxed.db cannot be")


@root
@pytest.mark.parametrize(
    ("directory_mode", "file_mode", "words"),
    [
        (0o700, 0o600, "is kept from this user; root may use it"),
        (0o755, 0o600, "cannot be opened: "),
        (0o755, 0o444, "cannot be written: "),
    ],
)
def test_a_user_without_permission_is_told(directory_mode: int, file_mode: int, words: str) -> None:
    code = """
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
try:
    with transaction(open_database("sqlite:///pxed.db", state_dir, create=True), "") as tx:
        tx.add_collection("mine")
except StoreError as error:
    print(error)
"""
    with tempfile.TemporaryDirectory() as directory:  # pytest's own are closed to others further up
        open_database(URL, Path(directory), create=True)
        Path(directory, "pxed.db").chmod(file_mode)
        Path(directory).chmod(directory_mode)
        told = subprocess.run(python(code, directory), capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith(f"the database {directory}/pxed.db {words}")


def check(state_dir: Path) -> list[str]:
    with closing(sqlite3.connect(state_dir / "pxed.db")) as connection:
        return [row[0] for row in connection.execute("PRAGMA integrity_check")]
