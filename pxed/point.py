"""The rooms of one service point, built from a configuration and joined together; no socket is opened here."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from pxed.config import Config
from pxed.content import Content
from pxed.errors import StoreError
from pxed.loaders import Loaders
from pxed.passwords.checking import Checker
from pxed.records import Records
from pxed.responder.answer import Responder
from pxed.responder.endpoint import Endpoint
from pxed.responder.fastpath import FastPath
from pxed.site.database import open_database
from pxed.site.reopening import ReopeningReader
from pxed.site.sql.driver import Database
from pxed.site.sql.flows import flow_site
from pxed.site.sql.link import Link
from pxed.site.sql.reader import SqlReader
from pxed.site.sql.statement import import_sqlalchemy
from pxed.site.sql.transaction import SqlTx
from pxed.site.store import Tx
from pxed.site.writer import Writer
from pxed.transfers import Transfers
from pxed.verdict_log import Soon, at_once
from pxed.verdicts import Verdicts
from pxed.web.agent import AgentApi
from pxed.web.app import application
from pxed.web.files import Files
from pxed.web.logins import Logins
from pxed.web.request import InterfaceOf
from pxed.web.scripts import Scripts

log = logging.getLogger("pxed.service")

_BUSY_SECONDS = 20.0
"""How long a write waits for the database's lock: longer than the import of 100,000 computers keeps it. Reads need none
(WAL)."""


_ANSWER_SECONDS = 3.0
"""How long the boot path waits for a database on a server: nobody else is answered meanwhile, and firmware gives up."""


def utc_now() -> datetime:
    """The wall clock, for schedules and history."""
    return datetime.now(UTC)


class Point:
    """Everything that decides and answers. Made once; `apply` gives it a new configuration while it runs."""

    def __init__(
        self,
        config: Config,
        loaders: Loaders,
        key: bytes,
        clock: Callable[[], datetime] = utc_now,
        soon: Soon = at_once,
    ) -> None:
        self.config = config
        self.loaders = loaders
        self.reader = ReopeningReader(self._open_reader, time.monotonic)
        self.writer = Writer(self._open_link, clock=clock)
        self.records = Records(self.writer, config, clock)
        self.verdicts = Verdicts(self.reader, self.records, config, clock, soon)
        self.responder = Responder(self.verdicts, config, self.loaders.names, key, time.time, time.monotonic)
        self.transfers = Transfers(self.records, self.reader.plan)
        self._key = key
        self._clock = clock
        self._told_of_floods = False
        self._scripts = Scripts(self.verdicts, self.records, config, key, time.time)
        self._checker = Checker(self.reader, self.writer, config.password, clock, time.monotonic)
        self._logins = Logins(self.verdicts, self.records, self._checker, config, key, time.time)
        self.files = Files(self._content(), self.transfers, time.time)

    def application(self, interface_of: InterfaceOf) -> web.Application:
        """What is served over HTTP."""
        agent = AgentApi(self.reader, self.records, self._key, time.time)
        return application(interface_of, self._scripts, self._logins, agent, self.files)

    def open_site(self) -> None:
        """Opens the database, makes it on the first start; if it cannot be had, says so and goes on without."""
        import_sqlalchemy()
        try:
            self.reader.plan()
        except StoreError as error:
            log.error("%s; nobody is answered before that is mended", error)

    def apply(self, config: Config, loaders: Loaders) -> None:
        """From now on everything goes by `config`, except where the database is."""
        self.config = config
        self.loaders = loaders
        for room in (self.verdicts, self.records, self.responder, self._scripts, self._logins):
            room.config = config
        self._checker.apply(config.password)
        self.responder.loaders = self.loaders.names
        self.files.content = self._content()

    def fast_path(self, endpoint: Endpoint) -> FastPath | None:
        """For floods at `endpoint`; None if there cannot be one, which is told once, or the site is not in SQLite."""
        site = flow_site(self.config.database.url, self.config.service.state_dir)
        try:
            return FastPath(endpoint.socket, endpoint.place, site, self.responder) if site else None
        except OSError as error:
            if not self._told_of_floods:
                log.info("floods of packets take the long way: %s", error)
                self._told_of_floods = True
            return None

    def status(self) -> dict[str, Any]:
        """What `pxed status` shows of these rooms."""
        return {
            "enabled": self.config.service.enabled,
            "database": self.reader.fault or "ok",
            "history_lost": self.writer.dropped,
            "answers": dict(sorted(self.responder.counters.items())),
            "loaders": dict(self.loaders.names),
        }

    @contextmanager
    def reading(self) -> Iterator[Tx]:
        """The site for reading, as it is at one moment; for a thread of its own, as long as it wants."""
        link = self._open_link()
        try:
            with link.snapshot():
                yield SqlTx(link, "", self._clock())
        finally:
            link.close()

    def close(self) -> None:
        """Writes what is waiting and gives the database up."""
        self._checker.close()
        self.verdicts.flush()
        self.writer.close()
        self.reader.close()

    def _content(self) -> Content:
        return Content(self.config.public_dir, self.config.images_dir, self.loaders.files, self._key)

    def _open_link(self) -> Link:
        return Link(self._open_database())

    def _open_reader(self) -> SqlReader:
        return SqlReader(self._open_database(_ANSWER_SECONDS))

    def _open_database(self, answer_seconds: float | None = None) -> Database:
        url, state_dir = self.config.database.url, self.config.service.state_dir
        return open_database(url, state_dir, create=True, busy_seconds=_BUSY_SECONDS, answer_seconds=answer_seconds)
