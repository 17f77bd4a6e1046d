"""Boot scripts over HTTP: a fresh verdict for every request, and a durable claim before a grant leaves.

/boot/<ticket>/boot.ipxe            what this computer shall do now
/boot/<ticket>/waiting.ipxe         the same, asked by one that waits for approval
/boot/<ticket>/<id>.ipxe            a person chose advertisement <id> after F12
/boot/<ticket>/<id>/<pass>.ipxe     and has given the password that it needs (`logins.py`)
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from aiohttp import web

from pxed.boot import script
from pxed.boot.token import Grant, Pass, TokenError, seal, unseal_pass
from pxed.config import Config
from pxed.errors import NotFound, Refused, StoreError
from pxed.policy.verdict import Boot, Choice, Wait
from pxed.records import Records
from pxed.verdicts import Verdicts
from pxed.web.approval import sighting_of, waiting_script
from pxed.web.asked import Asked, answer, asked
from pxed.web.logins import Door
from pxed.web.request import Origin

log = logging.getLogger("pxed.script")


@dataclass(slots=True)
class Scripts:
    """The handlers; `config` may be exchanged while they serve, except for its ports."""

    verdicts: Verdicts
    records: Records
    config: Config
    key: bytes
    unix_time: Callable[[], float]
    _http_port: int = field(init=False)
    _https_port: int = field(init=False)

    def __post_init__(self) -> None:
        """Keeps the ports that are served."""
        self._http_port, self._https_port = self.config.http.port, self.config.https.port

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Takes its place in an application."""
        router.add_get("/boot/{ticket}/{name:boot|waiting}.ipxe", self._boot)
        router.add_get(r"/boot/{ticket}/{advertisement:\d{1,9}}.ipxe", self._chosen)
        router.add_get(r"/boot/{ticket}/{advertisement:\d{1,9}}/{pass:[\w-]{44}}.ipxe", self._admitted)

    async def _boot(self, request: web.Request) -> web.Response:
        who = self._asked(request)
        if isinstance(who.verdict, Wait):
            return await self._wait(request, who)
        if not isinstance(who.verdict, Boot):
            return answer(script.render_exit(who.verdict.reason))
        if who.verdict.starts_by_itself:
            return await self._start(who, who.verdict.choices[0])
        base = f"{who.origin.base_url}/boot/{request.match_info['ticket']}"
        urls = tuple(f"{base}/{choice.advertisement.id}.ipxe" for choice in who.verdict.choices)
        return answer(script.render_prompt(who.verdict, who.computer, urls, self.config.responder.prompt_seconds))

    async def _wait(self, request: web.Request, who: Asked) -> web.Response:
        seen = sighting_of(who.facts, datetime.fromtimestamp(self.unix_time(), UTC))
        begins = request.match_info["name"] == "boot"
        text = await waiting_script(self.records, self.config, self.key, seen, who.ticket, who.origin, begins=begins)
        if text is None:
            raise web.HTTPFound(request.path)  # known by now: decided again
        return answer(text)

    async def _chosen(self, request: web.Request) -> web.Response:
        who = self._asked(request)
        if who.choice is None:
            return answer(script.render_exit(f"no longer offered: {who.verdict.reason}"))
        if who.choice.lock is None:
            return await self._start(who, who.choice)
        door = Door.of(who, request.match_info["ticket"], self.config.password, self._https_port)
        return answer(script.render_login(door.url, door.words, door.pause))

    async def _admitted(self, request: web.Request) -> web.Response:
        who = self._asked(request)
        if who.choice is None:
            return answer(script.render_exit(f"no longer offered: {who.verdict.reason}"))
        try:
            admission = unseal_pass(request.match_info["pass"], self.key, self.unix_time())
        except TokenError as error:
            return answer(script.render_exit(str(error)))
        if admission.mac != who.ticket.mac:
            return answer(script.render_exit("the password was given at another computer"))
        return await self._start(who, who.choice, admission)

    async def _start(self, who: Asked, choice: Choice, admission: Pass | None = None) -> web.Response:
        assert isinstance(who.verdict, Boot)  # noqa: S101 - it has the choice
        advertisement = choice.advertisement
        admitted = (admission.record_id, admission.try_number) if admission else None
        try:
            record = await self.records.claim(who.verdict, choice, admitted)
        except StoreError as error:
            log.error("%s is not started: its try cannot be recorded: %s", advertisement.name, error)
            return answer(script.render_exit(f"not started, the try cannot be recorded: {error}"))
        except (Refused, NotFound) as error:
            log.info("%s is not started: %s", advertisement.name, error)
            return answer(script.render_exit(str(error)))
        expires = int(self.unix_time() + self.config.tokens.grant_minutes * 60)
        token = seal(Grant(record.id, record.tries, choice.image_id, choice.variant.cpu, expires), self.key)
        base_url = self._base_url(who.origin)
        loading = script.Loading(
            title=advertisement.name,
            variant=choice.variant,
            base_url=f"{base_url}/b/{token}",
            parameters=(
                f"pxed.server={base_url}",
                f"pxed.token={token}",
                f"BOOTIF=01-{who.ticket.mac.hex('-')}",
            ),
        )
        try:
            return answer(script.render_boot(loading, who.computer))
        except script.ScriptValueError as error:
            log.error("boot image of %s cannot be started: %s", advertisement.name, error)
            return answer(script.render_exit(f"boot image of {advertisement.name} cannot be started"))

    def _base_url(self, origin: Origin) -> str:
        """Boot images come over plain HTTP, whatever the script came over: the agent in them knows no authority."""
        return f"http://{origin.address}:{self._http_port}" if origin.encrypted else origin.base_url

    def _asked(self, request: web.Request) -> Asked:
        return asked(request, self.verdicts, self.key, self.unix_time())
