"""Who asks for a boot script: the ticket in its name, and a fresh verdict on it."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from aiohttp import web

from pxed.boot.token import Ticket, TokenError, unseal_ticket
from pxed.policy.facts import Client, Facts, Stage
from pxed.policy.verdict import Boot, Choice, Verdict
from pxed.site.identifiers import format_mac
from pxed.verdicts import Verdicts
from pxed.web.request import Origin, origin_of
from pxed.wire.architecture import architecture

log = logging.getLogger("pxed.script")


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of one computer."""

    origin: Origin
    ticket: Ticket
    facts: Facts
    verdict: Verdict
    choice: Choice | None
    """the one of the verdict that the name of the script means; None if it means none, or one that is not offered"""

    @property
    def computer(self) -> str:
        """Its name, for the screen."""
        return (self.verdict.identity.name if self.verdict.identity else "") or "unknown computer"

    @property
    def subject(self) -> str:
        """What its PXE records are kept under."""
        assert self.verdict.identity is not None  # noqa: S101 - a Boot has one
        return self.verdict.identity.subject


def asked(request: web.Request, verdicts: Verdicts, key: bytes, unix_time: float) -> Asked:
    """Reads `/boot/<ticket>/...`, with or without the id of an advertisement; HTTPForbidden if the ticket is none."""
    origin = origin_of(request)
    try:
        ticket = unseal_ticket(request.match_info["ticket"], key, unix_time)
    except TokenError as error:
        log.info("boot script refused to %s: %s", request.remote, error)
        raise web.HTTPForbidden(text=f"{error}\n") from None
    facts = _facts(ticket, origin)
    verdict = verdicts.decide(facts)
    wanted = request.match_info.get("advertisement")
    choices = verdict.choices if wanted and isinstance(verdict, Boot) else ()
    choice = next((choice for choice in choices if str(choice.advertisement.id) == wanted), None)
    return Asked(origin, ticket, facts, verdict, choice)


def answer(script: str) -> web.Response:
    """A script as a response."""
    return web.Response(text=script, content_type="text/plain", headers={"Cache-Control": "no-store"})


def _facts(ticket: Ticket, origin: Origin) -> Facts:
    return Facts(
        mac=format_mac(ticket.mac),
        guid=ticket.guid,
        architecture=architecture(ticket.architecture),
        client=Client.IPXE,
        stage=Stage.SCRIPT,
        interface=origin.interface,
        https=ticket.https,
    )
