"""A PostgreSQL server of the tests' own: a new cluster below /tmp, reached by a Unix socket, gone when they end."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg
from sqlalchemy.engine import URL

from pxed.site.database import open_database
from pxed.site.tables import metadata

_CAREFREE = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "listen_addresses=",
    "max_connections=50",
    # It may count a table just when it was emptied, and the server then reads it whole for whatever is asked.
    "autovacuum=off",
)
"""Nobody needs these databases after a power cut."""


def programs() -> Path | None:
    """The directory of `initdb` and `pg_ctl`, of the newest version there is; None if there is none."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    found = debian[-1] if debian else shutil.which("initdb")
    return Path(found).parent if found else None


_SITE = "site"
TABLES = tuple(table.name for table in metadata.sorted_tables)
_EMPTY = "; ".join(
    (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'site' AND pid <> pg_backend_pid()",
        "SET session_replication_role = replica",  # without the checks of foreign keys
        *(f"DELETE FROM {table}; INSERT INTO {table} SELECT * FROM new.{table}" for table in TABLES),  # noqa: S608
        "SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, 1, false) FROM pg_sequences",
    )
).encode()
"""A site becomes what a new one is in a few milliseconds; a new database takes many."""


class Server:
    """A running server. It refuses to run as root, so root's belongs to the user that Debian's package makes."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._directory = Path(tempfile.mkdtemp(prefix="pxed-postgresql-"))
        self._user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        if os.geteuid() == 0:
            shutil.chown(self._directory, self._user, self._user)
        self._numbers = itertools.count(1)
        self._admin: psycopg.Connection

    def __enter__(self) -> Server:
        self._run("initdb", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if "_site" in vars(self):
            self._site.close()
        self.stop()
        shutil.rmtree(self._directory)

    def start(self) -> None:
        """Starts the server, and waits until it answers."""
        settings = " ".join(f"-c {setting}" for setting in (*_CAREFREE, f"unix_socket_directories={self._directory}"))
        self._run("pg_ctl", "--wait", "--silent", f"--log={self._directory}/log", f"--options={settings}", "start")
        self._admin = self._connect("postgres")

    def stop(self) -> None:
        """Stops the server, whoever is connected."""
        self._admin.close()
        self._run("pg_ctl", "--wait", "--silent", "--mode=fast", "stop")

    def hang(self) -> None:
        """From now on nobody is answered, though connections stay and new ones are taken, until `go_on`."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Ends `hang`."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        postmaster = int((self._directory / "data" / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        for process in (postmaster, *map(int, children)):
            os.kill(process, number)

    def url(self, database: str) -> URL:
        """As an administrator would write it."""
        return URL.create("postgresql", self._user, database=database, query={"host": str(self._directory)})

    def new_database(self) -> str:
        """The name of a database that is empty."""
        name = f"new_{next(self._numbers)}"
        self.command(f"CREATE DATABASE {name}")
        return name

    def empty_site(self) -> URL:
        """A database with a site that is empty: always the same one. Whoever is connected is thrown out."""
        self._site.execute(_EMPTY)
        return self.url(_SITE)

    def drop(self, database: str) -> None:
        """Removes a database and whoever is connected to it."""
        self.command(f"DROP DATABASE {database} WITH (FORCE)")

    def command(self, text: str) -> list[tuple[Any, ...]]:
        """Runs `text` as the superuser that made the cluster; its rows, if it has any."""
        cursor = self._admin.execute(text.encode())
        return cursor.fetchall() if cursor.description else []

    @cached_property
    def _site(self) -> psycopg.Connection:
        """To the database of `empty_site`, which keeps a copy of what is in a new one."""
        self.command(f"CREATE DATABASE {_SITE}")
        open_database(self.url(_SITE).render_as_string(), Path(), create=True)
        connection = self._connect(_SITE)
        connection.execute("CREATE SCHEMA new")
        for table in TABLES:
            connection.execute(f"CREATE TABLE new.{table} AS TABLE public.{table}".encode())
        return connection

    def _connect(self, database: str) -> psycopg.Connection:
        return psycopg.connect(host=str(self._directory), user=self._user, dbname=database, autocommit=True)

    def _run(self, program: str, *words: str) -> None:
        subprocess.run(
            [self._programs / program, f"--pgdata={self._directory}/data", *words],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self._directory,
            user=self._user if os.geteuid() == 0 else None,
            group=self._user if os.geteuid() == 0 else None,
            extra_groups=[] if os.geteuid() == 0 else None,
        )
