"""`pxed serve`: the service itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from pxed.cli.session import Session
from pxed.errors import PxedError

if TYPE_CHECKING:
    from pathlib import Path

    from pxed.config import Config


@click.command
@click.option("--log-format", type=click.Choice(["text", "json"]), help="In place of log.format.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="In place of log.level.")
@click.pass_obj
def command(session: Session, log_format: str | None, log_level: str | None) -> None:
    """Answer computers that boot from the network, until told to stop.

    Logs go to standard error. SIGHUP takes over a changed configuration, SIGTERM ends the service once running
    transfers are done.

    \b
    Example:
      pxed serve --config /etc/pxed/pxed.toml
    """
    import asyncio

    from pxed import logs

    config = session.config
    logs.configure(log_level or config.log.level, log_format or config.log.format, os.environ)
    asyncio.run(_serve(session.config_file, config))


async def _serve(path: Path, config: Config) -> None:
    from pxed.service import Service

    try:
        await Service(path, config, os.environ).run()
    except BaseExceptionGroup as group:
        # a task group wraps what its tasks raise; an operator reads one sentence, a bug keeps its traceback
        expected = group.subgroup(PxedError)
        if expected is None:
            raise
        raise _first(expected) from None


def _first(group: BaseExceptionGroup[PxedError]) -> PxedError:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
