"""`pxed check`: everything that is wrong, in one go."""

from __future__ import annotations

from dataclasses import asdict

import click

from pxed.cli.output import print_rows, say
from pxed.cli.session import Session
from pxed.config import Config
from pxed.errors import ConfigError

_COLUMNS = {"severity": "Severity", "key": "Key", "text": "What is wrong, and what would be right"}


_Faults = tuple[tuple[str, str], ...]
"""keys of the configuration, and what is wrong with them"""


@click.command
@click.option("--deep", is_flag=True, help="Look at this machine too: database, files, interfaces, ports.")
@click.pass_context
def command(context: click.Context, deep: bool) -> None:
    """List all faults of the configuration, HTTPS without a certificate among them; the exit status is 78 if there is
    any.

    With --deep also what the configuration meets here: user, key and database, boot loaders (with the Debian package
    that has them), files of boot images against their checksums, interfaces, the certificate and its expiry, ports that
    another program holds.
    Warnings alone leave the exit status at 0.

    \b
    Example:
      pxed check --deep
    """
    session = context.ensure_object(Session)
    try:
        config = session.config
    except ConfigError as error:
        rows = _rows(error.faults)
    else:
        rows = _rows(_https(config))
        if deep:
            from pxed.cli.inspection import inspect

            rows += [asdict(finding) for finding in inspect(session)]
    faults = sum(row["severity"] == "fault" for row in rows)
    print_rows(rows, _COLUMNS, as_json=session.as_json, empty="")
    say(f"{session.config_file}: {faults or 'no'} fault{'' if faults == 1 else 's'}")
    context.exit(ConfigError.exit_code if faults else 0)


def _https(config: Config) -> _Faults:
    if not config.https.port:
        return ()
    from pxed.tls.serving import faults  # with it comes cryptography, which nothing else here needs

    return faults(config.service.state_dir)


def _rows(faults: _Faults) -> list[dict[str, str]]:
    return [{"severity": "fault", "key": key, "text": text} for key, text in faults]
