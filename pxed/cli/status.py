"""`pxed status`: what the running service says of itself, and what the database knows."""

from __future__ import annotations

import json
import socket
from dataclasses import asdict
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pxed.cli.output import cell, print_fields, print_json, say
from pxed.cli.session import Session
from pxed.errors import NotFound, NotPermitted, PxedError, StoreError, Unavailable
from pxed.site.model import Kind

if TYPE_CHECKING:
    from pxed.site.store import Tx

_TIMEOUT_SECONDS = 5.0
"""The service answers from memory; one that takes longer is stuck."""


@click.command
@click.pass_obj
def command(session: Session) -> None:
    """Show what the running service does, and what the site holds.

    If the service does not run, the exit status is 69, and the site is shown all the same.

    \b
    Example:
      pxed status --json
    """
    trouble: Unavailable | NotPermitted | None = None
    service: dict[str, Any] | None = None
    try:
        service = ask(session.config.control_socket)
    except (Unavailable, NotPermitted) as error:
        trouble = error
    site = _site(session)
    certificate = _certificate(session)
    if session.as_json:
        print_json({"service": service, "site": site, "certificate": certificate})
    else:
        fields = {"site": site, "certificate": certificate}
        print_fields(_flat(service or {}) | _flat(fields), as_json=False)
    if trouble is not None:
        raise trouble


def ask(path: Path) -> dict[str, Any]:
    """The service's own words, from its control socket; Unavailable if it does not run, NotPermitted if we may not."""
    connection = _UnixConnection(path)
    try:
        connection.request("GET", "/status", headers={"Host": "pxed"})
        response = connection.getresponse()
        text = response.read()
        if response.status != 200:
            raise Unavailable(f"the service answers with HTTP status {response.status} on {path}")
        answer: dict[str, Any] = json.loads(text)
    except (FileNotFoundError, ConnectionRefusedError):
        raise Unavailable(f"the service does not run: nothing listens on {path}") from None
    except PermissionError:
        raise NotPermitted(f"the service cannot be asked: no permission for {path}") from None
    except TimeoutError:
        raise Unavailable(f"the service does not answer on {path} within {_TIMEOUT_SECONDS:g} seconds") from None
    except (OSError, HTTPException, ValueError) as error:
        raise Unavailable(f"the service cannot be asked on {path}: {error}") from None
    finally:
        connection.close()
    return answer


class _UnixConnection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _site(session: Session) -> dict[str, Any]:
    """How much of everything there is; empty, with a message, if the database cannot be read."""
    try:
        with session.reading() as tx:
            stop = tx.restraints().stop
            if stop is not None:
                why = f" ({stop.reason})" if stop.reason else ""
                say(f"pxed: ALL MANDATORY HAND-OUTS ARE STOPPED since {cell(stop.at)} by {stop.by}{why}")
            pending = {"mandatory_pending": _pending(tx), "stopped": stop and asdict(stop)}
            return asdict(tx.overview()) | pending
    except StoreError as error:
        say(f"pxed: {error}")
        return {}


def _pending(tx: Tx) -> int:
    """How many times a known computer has yet to be handed out something mandatory."""
    now, pending = datetime.now(UTC), 0
    for each in tx.advertisements():
        if each.kind is Kind.MANDATORY and each.enabled and (each.expires is None or each.expires > now):
            members = tx.count_members(each.collection_id, include_subcollections=each.include_subcollections)
            pending += max(0, members - tx.count_known_with_record(each.id))
    return pending


def _certificate(session: Session) -> dict[str, int]:
    """Days left to the certificate and its authority, with a message if they are few; empty if there is none."""
    from pxed.tls.shown import days_left, expiring, shown

    try:
        one = shown(session.config.service.state_dir)
    except NotFound:
        return {}
    except PxedError as error:
        say(f"pxed: {error}")
        return {}
    now = datetime.now(UTC)
    for trouble in expiring(one, now):
        say(f"pxed: {trouble.text}")
    return {"days_left": days_left(one.chain[0], now), "authority_days_left": days_left(one.chain[-1], now)}


def _flat(fields: dict[str, Any], above: str = "") -> dict[str, Any]:
    """Tables within tables as lines: {"tftp": {"workers": 2}} becomes {"tftp workers": 2}."""
    flat: dict[str, Any] = {}
    for key, value in fields.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{above}{key} ")
        elif key == "started":
            flat[key] = datetime.fromisoformat(value)  # shown in the local time zone, as all times
        else:
            flat[f"{above}{key}"] = value
    return flat
