"""Boot scripts over HTTP: a fresh verdict for every request, and a durable claim before a grant leaves.

/boot/<ticket>/boot.ipxe      what this computer shall do now
/boot/<ticket>/waiting.ipxe   the same, asked by one that waits for approval
/boot/<ticket>/<id>.ipxe      a person chose advertisement <id> after F12
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from pxed.boot import script
from pxed.boot.token import Grant, Ticket, TokenError, seal, unseal_ticket
from pxed.config import Config
from pxed.errors import NotFound, Refused, StoreError
from pxed.policy.facts import Client, Facts, Stage
from pxed.policy.verdict import Boot, Choice, Verdict, Wait
from pxed.records import Records
from pxed.site.identifiers import format_mac
from pxed.verdicts import Verdicts
from pxed.web.approval import sighting_of, waiting_script
from pxed.web.request import Origin, origin_of
from pxed.wire.architecture import architecture

log = logging.getLogger("pxed.script")


@dataclass(slots=True)
class Scripts:
    """The handlers; `config` may be exchanged while they serve."""

    verdicts: Verdicts
    records: Records
    config: Config
    key: bytes
    unix_time: Callable[[], float]

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Takes its place in an application."""
        router.add_get("/boot/{ticket}/{name:boot|waiting}.ipxe", self._boot)
        router.add_get(r"/boot/{ticket}/{advertisement:\d{1,9}}.ipxe", self._chosen)

    async def _boot(self, request: web.Request) -> web.Response:
        origin, ticket = origin_of(request), self._ticket(request)
        facts = _facts(ticket, origin)
        verdict = self.verdicts.decide(facts)
        if isinstance(verdict, Wait):
            return await self._wait(request, origin, ticket, facts)
        if not isinstance(verdict, Boot):
            return _script(script.render_exit(verdict.reason))
        if verdict.mandatory:
            return await self._start(origin, ticket, verdict, verdict.choices[0])
        base = f"{origin.base_url}/boot/{request.match_info['ticket']}"
        urls = tuple(f"{base}/{choice.advertisement.id}.ipxe" for choice in verdict.choices)
        return _script(script.render_prompt(verdict, _name(verdict), urls, self.config.responder.prompt_seconds))

    async def _wait(self, request: web.Request, origin: Origin, ticket: Ticket, facts: Facts) -> web.Response:
        seen = sighting_of(facts, datetime.fromtimestamp(self.unix_time(), UTC))
        begins = request.match_info["name"] == "boot"
        text = await waiting_script(self.records, self.config, self.key, seen, ticket, origin, begins=begins)
        if text is None:
            raise web.HTTPFound(request.path)  # known by now: decided again
        return _script(text)

    async def _chosen(self, request: web.Request) -> web.Response:
        origin, ticket = origin_of(request), self._ticket(request)
        verdict = self.verdicts.decide(_facts(ticket, origin))
        wanted = int(request.match_info["advertisement"])
        if isinstance(verdict, Boot):
            for choice in verdict.choices:
                if choice.advertisement.id == wanted:
                    return await self._start(origin, ticket, verdict, choice)
        return _script(script.render_exit(f"no longer offered: {verdict.reason}"))

    async def _start(self, origin: Origin, ticket: Ticket, verdict: Boot, choice: Choice) -> web.Response:
        advertisement = choice.advertisement
        try:
            record = await self.records.claim(verdict, choice)
        except StoreError as error:
            log.error("%s is not started: its try cannot be recorded: %s", advertisement.name, error)
            return _script(script.render_exit(f"not started, the try cannot be recorded: {error}"))
        except (Refused, NotFound) as error:
            log.info("%s is not started: %s", advertisement.name, error)
            return _script(script.render_exit(str(error)))
        expires = int(self.unix_time() + self.config.tokens.grant_minutes * 60)
        token = seal(Grant(record.id, record.tries, choice.image_id, choice.variant.cpu, expires), self.key)
        loading = script.Loading(
            title=advertisement.name,
            variant=choice.variant,
            base_url=f"{origin.base_url}/b/{token}",
            parameters=(
                f"pxed.server={origin.base_url}",
                f"pxed.token={token}",
                f"BOOTIF=01-{ticket.mac.hex('-')}",
            ),
        )
        try:
            return _script(script.render_boot(loading, _name(verdict)))
        except script.ScriptValueError as error:
            log.error("boot image of %s cannot be started: %s", advertisement.name, error)
            return _script(script.render_exit(f"boot image of {advertisement.name} cannot be started"))

    def _ticket(self, request: web.Request) -> Ticket:
        try:
            return unseal_ticket(request.match_info["ticket"], self.key, self.unix_time())
        except TokenError as error:
            log.info("boot script refused to %s: %s", request.remote, error)
            raise web.HTTPForbidden(text=f"{error}\n") from None


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


def _name(verdict: Verdict) -> str:
    return (verdict.identity.name if verdict.identity else "") or "unknown computer"


def _script(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/plain", headers={"Cache-Control": "no-store"})
