"""`pxed config`: the settings in effect."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from pxed.cli.lazy import VerbGroup
from pxed.cli.output import print_json
from pxed.cli.session import Session

if TYPE_CHECKING:
    from pxed.config import Config


@click.group(cls=VerbGroup)
def command() -> None:
    """Show the settings in effect.

    \b
    Example:
      pxed config show
    """


@command.command
@click.pass_obj
def show(session: Session) -> None:
    """Show every setting, defaults included, secrets masked.

    The text can serve as a configuration file.

    \b
    Example:
      pxed config show --json
    """
    tables = effective(session.config)
    if session.as_json:
        print_json(tables)
    else:
        click.echo(as_toml(tables), nl=False)


def effective(config: Config) -> dict[str, Any]:
    """`config` in tables, keys and order of the file, without secrets."""
    tables = {("interface" if name == "interfaces" else name): table for name, table in asdict(config).items()}
    tables["interface"] = [{key: value for key, value in one.items() if value} for one in tables["interface"]]
    tables["database"]["url"] = masked(config.database.url)
    return tables


def masked(url: str) -> str:
    """`url` with three asterisks for each password in it."""
    password = urlsplit(url).password
    if password:
        url = url.replace(f":{password}@", ":***@", 1)
    return re.sub(r"(?<=password=)[^&]*", "***", url)


def as_toml(tables: dict[str, Any]) -> str:
    """`tables` as the text of a configuration file."""
    parts = []
    for name, table in tables.items():
        for header, entries in (
            [(f"[[{name}]]", one) for one in table] if isinstance(table, list) else [(f"[{name}]", table)]
        ):
            parts.append(
                "\n".join([header, *(f"{key} = {_toml_value(value)}" for key, value in entries.items())]) + "\n"
            )
    return "\n".join(parts)


def _toml_value(value: object) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml_value, value))}]"
    if isinstance(value, Path | str):
        # a JSON string is a TOML string, but for DEL, which TOML wants escaped as well
        return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)
