"""The password at the boot loader: where it is sent, and what becomes of it.

/boot/<ticket>/<id>/login.ipxe      user name and password, as HTTP's Basic authentication (RFC 7617)

A right one yields a pass: this computer, this advertisement, for some minutes, once. What the pass allows is told in
`scripts.py`. A wrong one is answered by the form again, later each time.
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from aiohttp import hdrs, web

from pxed.boot import script
from pxed.boot.token import Pass, seal
from pxed.config import Config, PasswordConfig
from pxed.errors import PxedError, Refused, StoreError
from pxed.passwords.checking import Answer, Attempt, Checker, Outcome
from pxed.policy.verdict import Choice, Lock
from pxed.records import Records
from pxed.verdicts import Verdicts
from pxed.web.asked import Asked, answer, asked
from pxed.web.credentials import CHALLENGE, Credentials, credentials
from pxed.web.request import origin_of

log = logging.getLogger("pxed.password")

PASS_SECONDS = 120
"""How long a pass may be used: the boot loader does so at once."""
_SHORTEST_PAUSE = 3.0
"""seconds that words stand on the screen before iPXE's form takes all of it"""
_LONGEST_PAUSE = 60.0
"""seconds that somebody waits for the next try; a longer wait sends the computer on"""
_WORDS = {
    Outcome.WRONG: "wrong user name or password; the next try is in {} s",
    Outcome.TOO_SOON: "too soon after a wrong password; the next try is in {} s",
    Outcome.BUSY: "too many passwords are checked at this moment; the next try is in {} s",
}


class Door(NamedTuple):
    """Where somebody gives the password, or why that cannot be."""

    url: script.LoginUrl | None
    words: str
    pause: float
    """seconds that the words stand"""

    @classmethod
    def of(cls, who: Asked, ticket: str, settings: PasswordConfig, https_port: int) -> Door:
        """For one choice of one computer; over plain HTTP only if the configuration wants it."""
        assert who.choice is not None  # noqa: S101 - who asks for none is sent on before
        advertisement = who.choice.advertisement
        rest = f"boot/{ticket}/{advertisement.id}/login.ipxe"
        if who.ticket.https and https_port:
            return cls(script.LoginUrl("https", f"{who.origin.address}:{https_port}/{rest}"), "", 0.0)
        if settings.plain_http and not who.origin.encrypted:
            return cls(script.LoginUrl("http", f"{who.origin.base_url.partition('://')[2]}/{rest}"), "", 0.0)
        lacking = "this boot loader" if https_port else "this service point"
        return cls(None, f"{advertisement.name} needs a password, and {lacking} has no HTTPS to send it by", 10.0)


@dataclass(slots=True)
class Logins:
    """The handler; `config` may be exchanged while it serves, except for its ports."""

    verdicts: Verdicts
    records: Records
    checker: Checker
    config: Config
    key: bytes
    unix_time: Callable[[], float]
    _https_port: int = field(init=False)

    def __post_init__(self) -> None:
        """Keeps the port that is served."""
        self._https_port = self.config.https.port

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Takes its place in an application."""
        router.add_get(r"/boot/{ticket}/{advertisement:\d{1,9}}/login.ipxe", self._login)

    async def _login(self, request: web.Request) -> web.Response:
        who = asked(request, self.verdicts, self.key, self.unix_time())
        if who.choice is None:
            return answer(script.render_login(None, f"no longer offered: {who.verdict.reason}"))
        if who.choice.lock is None:
            return answer(script.render_opened(self._url(request, who.choice, "")))
        if not who.origin.encrypted and not self.config.password.plain_http:
            return answer(script.render_login(None, "passwords are taken over HTTPS alone", 10.0))
        typed = credentials(request.headers.get(hdrs.AUTHORIZATION, ""))
        if typed is None:
            challenge = {hdrs.WWW_AUTHENTICATE: CHALLENGE}
            raise web.HTTPUnauthorized(text="user name and password\n", headers=challenge)
        return await self._check(request, who, who.choice, who.choice.lock, typed)

    async def _check(
        self, request: web.Request, who: Asked, choice: Choice, lock: Lock, typed: Credentials
    ) -> web.Response:
        name = unicodedata.normalize("NFC", typed.username)
        advertisement = choice.advertisement
        attempt = Attempt(who.facts.mac, who.origin.interface, who.subject, advertisement.name, name, typed.password)
        try:
            checked = await self.checker.check(lock, attempt)
            if checked.outcome is not Outcome.RIGHT:
                return self._again(request, who, checked)
            record = await self.records.admit(who.subject, advertisement)
        except StoreError as error:
            log.error("%s is not started: %s", advertisement.name, error)
            return answer(script.render_login(None, f"not started: {error}", 10.0))
        except Refused as error:
            return answer(script.render_login(None, str(error), 10.0))
        except PxedError as error:
            log.error("%s is not started: %s", advertisement.name, error)
            return answer(script.render_login(None, "the password cannot be checked; tell the administrator", 10.0))
        expires = int(self.unix_time()) + PASS_SECONDS
        admission = seal(Pass(who.ticket.mac, record.id, record.tries, expires), self.key)
        return answer(script.render_opened(self._url(request, choice, f"/{admission}")))

    def _again(self, request: web.Request, who: Asked, checked: Answer) -> web.Response:
        if checked.wait > _LONGEST_PAUSE:
            minutes = -(-checked.wait // 60)
            words = f"too many wrong passwords: locked for {minutes:.0f} minutes"
            return answer(script.render_login(None, words, 10.0))
        door = Door.of(who, request.match_info["ticket"], self.config.password, self._https_port)
        pause = max(checked.wait, _SHORTEST_PAUSE)
        return answer(script.render_login(door.url, _WORDS[checked.outcome].format(-int(-pause // 1)), pause))

    @staticmethod
    def _url(request: web.Request, choice: Choice, admission: str) -> str:
        base = f"{origin_of(request).base_url}/boot/{request.match_info['ticket']}"
        return f"{base}/{choice.advertisement.id}{admission}.ipxe"
