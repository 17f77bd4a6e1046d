"""One run of the command line: its options, its configuration, its way to the database."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pxed.cli.output import print_json, say

if TYPE_CHECKING:
    from pxed.config import Config
    from pxed.site.sql import Database
    from pxed.site.store import Tx


_MESSAGES = 100
"""sentences that people are shown: a collection may have a million computers"""


@dataclass
class Session:
    """What every verb is given, by `click.pass_obj`."""

    config_path: Path | None = None
    """from --config; without it PXED_CONFIG, without that /etc/pxed/pxed.toml"""
    as_json: bool = False
    """--json was given, before or after the verb"""

    @cached_property
    def config(self) -> Config:
        """The configuration; ConfigError with all its faults."""
        from pxed.config import load

        return load(self.config_file)

    @property
    def config_file(self) -> Path:
        """The file that is the configuration."""
        return self.config_path or Path(os.environ.get("PXED_CONFIG") or "/etc/pxed/pxed.toml")

    @property
    def images_dir(self) -> Path:
        """The directory of boot images, for a verb that puts some into it: the state directory is there."""
        self._make_state_dir()
        return self.config.images_dir

    @property
    def tls_dir(self) -> Path:
        """The directory of the certificate, for a verb that puts one into it: the state directory is there."""
        from pxed.tls.keeping import directory_in

        self._make_state_dir()
        return directory_in(self.config.service.state_dir)

    @contextmanager
    def reading(self) -> Iterator[Tx]:
        """The site for reading only, as it is at one moment; StoreError if it cannot be read.

        No one who writes is waited for, and a database that does not exist is not made.
        """
        from pxed.site.sql import Link, SqlTx

        link = Link(self.database)
        try:
            with link.snapshot():
                yield SqlTx(link, user_name(), datetime.now(UTC))
        finally:
            link.close()

    @contextmanager
    def writing(self) -> Iterator[Tx]:
        """A transaction: all that is done in the block, or nothing if it raises. StoreError if it cannot be had."""
        from pxed.site.sql import transaction

        with transaction(self._open(create=True), user_name(), datetime.now(UTC)) as tx:
            yield tx

    def report(self, data: object, *messages: str) -> None:
        """What was done: `data` as JSON on stdout if that is wanted, otherwise the first messages on stderr."""
        if self.as_json:
            print_json(data)
            return
        for message in messages[:_MESSAGES]:
            say(message)
        if len(messages) > _MESSAGES:
            say(f"and {len(messages) - _MESSAGES} more; --json lists them all")

    @cached_property
    def database(self) -> Database:
        """The site's database, which is there already, for reading; StoreError if it is not or cannot be read."""
        return self._open(create=False)

    def _open(self, *, create: bool) -> Database:
        from pxed.site.database import open_database

        if create:
            self._make_state_dir()
        return open_database(self.config.database.url, self.config.service.state_dir, create=create)

    def _make_state_dir(self) -> None:
        """Of root's making, it belongs to the service's user."""
        from pxed.privileges import owner_of
        from pxed.statedir import make_directory

        user = self.config.service.user
        owner = owner_of(user) if user and os.geteuid() == 0 else None
        make_directory(self.config.service.state_dir, 0o750, owner)


def user_name() -> str:
    """Who gives the command, for the history: behind sudo, the person and not root."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a user id without an entry in the user database
        return str(os.getuid())
