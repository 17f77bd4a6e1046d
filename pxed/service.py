"""`pxed serve`: starts a service point, keeps it in step with configuration and interfaces, ends it.

One asyncio process; a task group owns every task. Ports are bound first, then privileges dropped, then threads and
worker processes started, so that nothing runs with more rights than it needs.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import ssl
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web

from pxed import __version__, interfaces, logs, privileges, statedir
from pxed import config as configuration
from pxed.config import Config
from pxed.content import require_openat2
from pxed.datagrams import Received
from pxed.errors import ConfigError, PxedError
from pxed.image.library import prune
from pxed.interfaces import Interface
from pxed.listeners import Listeners
from pxed.loaders import Loaders, find_loaders
from pxed.notify import Notifier
from pxed.point import Point, utc_now
from pxed.ports import BOOT_SERVER, DHCP_SERVER
from pxed.responder.endpoint import Outcome
from pxed.responder.place import Place
from pxed.site.store import Tx
from pxed.tftp.messages import Endpoint, TftpSettings
from pxed.tftp.messages import Transfer as TftpTransfer
from pxed.tftp.pool import Pool
from pxed.transfers import from_tftp
from pxed.wakeups import WakeUps
from pxed.web.app import control_application
from pxed.web.server import WebServer

log = logging.getLogger("pxed.service")

DRAIN_SECONDS = 60.0
"""How long running transfers may go on after SIGTERM; the unit's TimeoutStopSec is longer."""
DRAIN_SILENCE = 5.0
"""How long a client may say nothing then: as long as firmware waits before it repeats itself. One that was switched off
in the midst of a transfer does not hold up a restart."""
_REBIND_SECONDS = 10.0
"""An interface whose ports could not be bound is tried again after this time."""
_PRUNE_SECONDS = 6 * 3600.0
_FORGET_SECONDS = 3600.0
_SWITCH_SECONDS = 0.0005
"""After so long another thread (the writer) has to let the loop in, which asks for the interpreter after every system
call: with Python's five milliseconds one answer in a hundred took longer than that."""
_MOST_WORKERS = 4
"""if `tftp.workers` leaves the number to us"""
_AT_START_ONLY = (
    "service.state_dir",
    "service.run_dir",
    "service.user",
    "responder.listen_dhcp",
    "tftp.port",
    "tftp.workers",
    "http.port",
    "https.port",
    "database.url",
)
"""Keys whose change takes effect at the next start."""


async def serve(path: Path, config: Config, environment: Mapping[str, str]) -> None:
    """Runs a service point until SIGTERM or SIGINT. PxedError with one sentence if it cannot start."""
    await Service(path, config, environment).run()


class Service:
    """The life of one service point."""

    def __init__(self, path: Path, config: Config, environment: Mapping[str, str]) -> None:
        self._path = path
        self._config = config
        self._environment = environment
        self._notifier = Notifier(environment)
        self._started = utc_now()
        self._stop = asyncio.Event()
        self._rescan = asyncio.Event()
        self._point: Point | None = None
        self._tls = _tls_context(config)
        self._listeners = Listeners(config, self._answer, self._tls)
        self._missing: list[str] = []

    async def run(self) -> None:
        """From the first bind to the last transfer."""
        require_openat2()
        statedir.require_alone(self._config)
        user = self._config.service.user if os.geteuid() == 0 else ""
        owner = privileges.owner_of(user) if user else None
        statedir.prepare(self._config, owner)
        key = statedir.load_key(self._config)
        for interface in self._usable_interfaces():
            self._listeners.bind(interface)
        loaders = find_loaders(self._config)
        if not loaders.names:
            log.warning("there is no boot loader at all: `pxed check --deep` says which package has them")
        pool = Pool(tftp_settings(self._config, self._listeners.interfaces, loaders, key), self._tftp_finished)
        pool.bind()
        privileges.become(user)
        self._point = point = Point(self._config, loaders, key, soon=asyncio.get_running_loop().call_soon)
        self._trust_certificate(point)
        self._listeners.fast_path_of = point.fast_path
        try:
            point.open_site()
            await self._run(point, pool, key)
        finally:
            point.close()

    async def _run(self, point: Point, pool: Pool, key: bytes) -> None:
        application = point.application(self._interface_of)
        server = WebServer(application, point.files, DRAIN_SECONDS)
        control = web.AppRunner(control_application(partial(self._status, point, pool, server)), access_log=None)
        await server.start()
        await control.setup()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        loop.add_signal_handler(signal.SIGINT, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload, point, pool, key)
        async with asyncio.TaskGroup() as tasks:
            # Answers begin at once: what comes on the heels of them waits in the workers' sockets, which are bound.
            background = [tasks.create_task(pool.run())]
            for interface in self._listeners.interfaces:
                self._listeners.start(interface, server, tasks)
            await self._open_control_socket(control)
            following = tasks.create_task(self._follow_interfaces(server, pool, tasks))
            background += [
                tasks.create_task(self._notice_changes()),
                tasks.create_task(server.run()),
                tasks.create_task(self._feed_watchdog()),
                tasks.create_task(self._prune_images(point)),
                tasks.create_task(self._forget_history(point)),
                tasks.create_task(self._wake_ups(point).run()),
            ]
            await pool.ready()
            sys.setswitchinterval(_SWITCH_SECONDS)
            _calm_the_collector()
            self._announce()
            await self._stop.wait()
            self._notifier.stopping()
            log.info("stopping: running transfers have %g s", DRAIN_SECONDS)
            following.cancel()  # an interface that comes or changes from now on is not listened on any more
            await asyncio.gather(following, return_exceptions=True)
            await self._listeners.stop_all()
            await asyncio.gather(
                pool.drain(DRAIN_SECONDS, DRAIN_SILENCE),
                server.drain(DRAIN_SILENCE),
            )
            await control.cleanup()
            self._config.control_socket.unlink(missing_ok=True)
            for task in background:
                task.cancel()

    def _answer(self, batch: Sequence[Received], place: Place) -> Sequence[Outcome]:
        return self._point.responder.answer(batch, place) if self._point else [None] * len(batch)

    def _tftp_finished(self, transfer: TftpTransfer) -> None:
        if self._point:
            self._point.transfers.finished(from_tftp(transfer))

    def _usable_interfaces(self) -> list[Interface]:
        """Those that can be listened on now. A missing one is told of and followed, even if it is the only one: after a
        power cut a switch may need longer to come back than this host."""
        chosen, self._missing = interfaces.select(self._config.interfaces, interfaces.scan())
        for sentence in self._missing:
            log.error("%s", sentence)
        return chosen

    def _interface_of(self, address: str) -> str:
        for interface in self._listeners.interfaces:
            if any(str(own.ip) == address for own in interface.addresses):
                return interface.name
        return ""

    async def _open_control_socket(self, control: web.AppRunner) -> None:
        path = self._config.control_socket
        path.unlink(missing_ok=True)
        await web.UnixSite(control, str(path)).start()
        path.chmod(0o660)

    async def _notice_changes(self) -> None:
        async for _ in interfaces.changes():
            self._rescan.set()

    async def _follow_interfaces(self, server: WebServer, pool: Pool, tasks: asyncio.TaskGroup) -> None:
        complete = tftp = True
        self._rescan.set()  # what changed before anybody was told of changes
        while True:
            try:
                async with asyncio.timeout(None if complete else _REBIND_SECONDS):
                    await self._rescan.wait()
            except TimeoutError:
                pass  # a port that was taken may be free by now
            self._rescan.clear()
            chosen, missing = interfaces.select(self._config.interfaces, interfaces.scan())
            for sentence in missing:
                if sentence not in self._missing:
                    log.error("%s", sentence)
            self._missing = missing
            before = self._listeners.interfaces
            complete = await self._listeners.follow(chosen, server, tasks)
            changed = self._listeners.interfaces != before
            if changed or not tftp:
                tftp = pool.reconfigure(tftp_endpoints(self._listeners.interfaces))
            if changed:
                self._announce()
            complete = complete and tftp

    async def _feed_watchdog(self) -> None:
        if not self._notifier.watchdog_seconds:
            return
        while True:
            self._notifier.alive()
            await asyncio.sleep(self._notifier.watchdog_seconds / 3)

    async def _prune_images(self, point: Point) -> None:
        """Removes the files of boot images that were replaced, once no grant can name them any more."""
        while True:
            now = utc_now()
            before = now - timedelta(minutes=self._config.tokens.grant_minutes)
            job = partial(prune, images_dir=self._config.images_dir, before=before, now=now)
            try:
                for path in await asyncio.wrap_future(point.writer.submit(job)):
                    log.info("removed %s of a boot image that was replaced", path)
            except PxedError as error:
                log.error("old boot images stay: %s", error)
            await asyncio.sleep(_PRUNE_SECONDS)

    def _wake_ups(self, point: Point) -> WakeUps:
        def interfaces() -> list[Interface]:
            return self._listeners.interfaces

        return WakeUps(lambda: self._config, point.reader.plan, point.reading, point.writer, interfaces, utc_now)

    async def _forget_history(self, point: Point) -> None:
        """Forgets events that are older or more than the configuration wants."""
        while True:
            keep, before = self._config.history.events, utc_now() - timedelta(days=self._config.history.days)
            job = partial(_forget_events, before=before, keep=keep)
            forgotten = 0
            try:
                while some := await asyncio.wrap_future(point.writer.submit(job)):
                    forgotten += some
                if forgotten:
                    log.info("forgot %d old events", forgotten)
            except PxedError as error:
                log.error("old events stay: %s", error)
            await asyncio.sleep(_FORGET_SECONDS)

    def _announce(self) -> None:
        where = ", ".join(f"{one.name} ({one.addresses[0].ip})" for one in self._listeners.interfaces) or "no interface"
        ports = ", ".join(
            f"{name.upper()} {' and '.join(map(str, numbers))}" for name, numbers in self._ports().items()
        )
        log.info("pxed %s answers on %s: %s", __version__, where, ports)
        self._notifier.ready(f"answering on {where}")

    def _reload(self, point: Point, pool: Pool, key: bytes) -> None:
        """SIGHUP: a good configuration takes the place of the old one, a bad one is told of and changes nothing."""
        if self._stop.is_set():
            return
        self._notifier.reloading()
        try:
            config = configuration.load(self._path)
        except ConfigError as error:
            for line in str(error).splitlines():
                log.error("kept the old configuration: %s", line)
        else:
            for name in _AT_START_ONLY:
                if _value(config, name) != _value(self._config, name):
                    log.warning("%s takes effect at the next start", name)
            self._config = config
            loaders = find_loaders(config)
            point.apply(config, loaders)
            self._listeners.forget_answers()
            self._refresh_certificate(point)
            pool.configure(tftp_settings(config, self._listeners.interfaces, loaders, key))
            logs.configure(config.log.level, config.log.format, self._environment)
            self._rescan.set()
            log.info("took over the configuration %s", self._path)
        self._announce()

    def _refresh_certificate(self, point: Point) -> None:
        """A certificate that was renewed meanwhile is used from now on; one that cannot be used is told of."""
        if self._tls is not None:
            from pxed.tls.serving import refresh

            try:
                refresh(self._tls, self._config.service.state_dir)
                self._trust_certificate(point)
            except PxedError as error:
                log.error("kept the old certificate: %s", error)

    def _trust_certificate(self, point: Point) -> None:
        """Boot loaders that are handed out from now on trust the authority of the certificate that is served."""
        if self._tls is not None:
            from pxed.tls.serving import anchor

            point.responder.trust = anchor(self._config.service.state_dir)

    async def _status(self, point: Point, pool: Pool, server: WebServer) -> dict[str, Any]:
        return {
            "version": __version__,
            "pid": os.getpid(),
            "started": self._started.isoformat(timespec="seconds"),
            "interfaces": [
                {"name": one.name, "mac": one.mac, "mtu": one.mtu, "addresses": [str(a) for a in one.addresses]}
                for one in self._listeners.interfaces
            ],
            "missing_interfaces": self._missing,
            "ports": self._ports(),
            "answers_not_taken_by_the_kernel": self._listeners.unsent(),
            **point.status(),
            "http": server.status(),
            "tftp": {"workers": len(pool.pids), "running": 0} | await pool.counters(),
        }

    def _ports(self) -> dict[str, list[int]]:
        """Where each protocol is answered on every interface."""
        config = self._config
        ports = {
            "dhcp": [DHCP_SERVER, BOOT_SERVER] if config.responder.listen_dhcp else [BOOT_SERVER],
            "tftp": [config.tftp.port],
            "http": [config.http.port],
        }
        return ports | {"https": [config.https.port]} if self._tls else ports


def _calm_the_collector() -> None:
    """Spares what lives as long as the service, and looks through all the rest seldom: a search of everything that a
    storm of computers leaves behind takes 100 ms, in which nobody is answered. What is new is looked through often,
    0.3 ms each time instead of 3. What is in no cycle goes at once."""
    gc.freeze()
    gc.set_threshold(500, 200, 50)


def _tls_context(config: Config) -> ssl.SSLContext | None:
    if not config.https.port:
        return None
    from pxed.tls.serving import serving_context  # with it comes cryptography, which nothing else here needs

    return serving_context(config.service.state_dir)


def tftp_endpoints(chosen: Iterable[Interface]) -> tuple[Endpoint, ...]:
    """Where the workers listen."""
    return tuple(Endpoint(interface.name, interface.mtu) for interface in chosen)


def tftp_settings(config: Config, chosen: Iterable[Interface], loaders: Loaders, key: bytes) -> TftpSettings:
    """What the TFTP workers are told."""
    tftp = config.tftp
    return TftpSettings(
        workers=tftp.workers or min(len(os.sched_getaffinity(0)), _MOST_WORKERS),
        endpoints=tftp_endpoints(chosen),
        max_block_size=tftp.max_block_size,
        max_window=tftp.max_window,
        max_transfers=tftp.max_transfers,
        max_transfers_per_client=tftp.max_transfers_per_client,
        timeout_seconds=tftp.timeout_seconds,
        retries=tftp.retries,
        public_dir=config.public_dir,
        images_dir=config.images_dir,
        aliases=loaders.files,
        key=key,
        port=tftp.port,
    )


def _forget_events(tx: Tx, before: datetime, keep: int) -> int:
    return tx.forget_events(before, keep)


def _value(config: Config, path: str) -> object:
    section, name = path.split(".")
    return getattr(getattr(config, section), name)
