"""The agent's side of the service: hands out the task sequence, takes the reports.

    GET  /agent/<token>/sequence?boot=<boot id>    the task sequence, after `running` is on disk
    POST /agent/<token>/status                     a step's result, `succeeded` or `failed`

403: the token is none of ours or has expired. 409: this try does not count (any more); the text says why. 503: the
state cannot be written now; try again.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from pxed.boot.token import Grant, TokenError, unseal_grant
from pxed.errors import StoreError
from pxed.records import Records, Report
from pxed.site.model import Advertisement, Kind, PxeRecord, RecordState, TaskSequence
from pxed.site.store import Reader

log = logging.getLogger("pxed.agent")

MAX_REPORT_BYTES = 16 * 1024
_STEP_CHARACTERS = 255
_MESSAGE_CHARACTERS = 500
_STATES = {"step": None, "succeeded": RecordState.SUCCEEDED, "failed": RecordState.FAILED}
_NOT_WANTED = "this try is not to be run: it was cleared, or another boot of this computer took its place"


@dataclass(slots=True)
class AgentApi:
    """The handlers."""

    reader: Reader
    records: Records
    key: bytes
    unix_time: Callable[[], float]

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Takes its place in an application."""
        router.add_get("/agent/{token}/sequence", self._sequence)
        router.add_post("/agent/{token}/status", self._status)

    async def _sequence(self, request: web.Request) -> web.Response:
        grant = self._grant(request)
        boot = _boot_id(request.query.get("boot", ""))
        try:
            advertisement, sequence = self._what_to_run(grant)
            self._wait_while_stopped(grant, advertisement)
            record = await self.records.report(grant, Report(RecordState.RUNNING, boot, ""))
            name = self.reader.name_of(record.subject) if record else ""
            own = self.reader.environment_of(record.subject) if record else {}
        except StoreError as error:
            raise _try_again(error) from None
        if record is None:
            raise web.HTTPConflict(text=_NOT_WANTED + "\n")
        self._log(record, name, advertisement, "runs its task sequence")
        return web.json_response(
            {
                "computer": name,
                "advertisement": advertisement.name,
                "sequence": sequence.name,
                "document": json.loads(sequence.document),
                "variables": own | {"PXED_TRY": str(record.tries), "PXED_RECORD": str(record.id)},
            }
        )

    async def _status(self, request: web.Request) -> web.Response:
        grant = self._grant(request)
        message = await _read_json(request)
        state = message.get("state")
        if state not in _STATES:
            raise web.HTTPBadRequest(text=f"state is one of {', '.join(_STATES)}\n")
        report = Report(_STATES[state], _boot_id(str(message.get("boot", ""))), _words(message))
        try:
            record = await self.records.report(grant, report)
            name = self.reader.name_of(record.subject) if record else ""
            advertisement = self._advertisement(record.advertisement_id) if record else None
        except StoreError as error:
            raise _try_again(error) from None
        if record is None:
            raise web.HTTPConflict(text=_NOT_WANTED + "\n")
        self._log(record, name, advertisement, report.text)
        return web.json_response({})

    def _what_to_run(self, grant: Grant) -> tuple[Advertisement, TaskSequence]:
        record = self.reader.record(grant.record_id)
        advertisement = self._advertisement(record.advertisement_id) if record else None
        sequence = self.reader.plan().sequences.get(advertisement.sequence) if advertisement else None
        if advertisement is None or sequence is None:
            raise web.HTTPConflict(text=_NOT_WANTED + "\n")
        if not advertisement.enabled:
            raise web.HTTPConflict(text=f"advertisement {advertisement.name} was disabled meanwhile\n")
        return advertisement, sequence

    def _wait_while_stopped(self, grant: Grant, advertisement: Advertisement) -> None:
        """A task sequence that has not begun does not begin while all mandatory hand-outs are stopped."""
        stop, record = self.reader.plan().restraints.stop, self.reader.record(grant.record_id)
        running = record is not None and record.state is RecordState.RUNNING
        if stop is not None and advertisement.kind is Kind.MANDATORY and not running:
            raise web.HTTPServiceUnavailable(
                text="all mandatory hand-outs are stopped for now\n", headers={"Retry-After": "30"}
            )

    def _advertisement(self, advertisement_id: int) -> Advertisement | None:
        return next((one for one in self.reader.plan().advertisements if one.id == advertisement_id), None)

    def _grant(self, request: web.Request) -> Grant:
        try:
            return unseal_grant(request.match_info["token"], self.key, self.unix_time())
        except TokenError as error:
            log.info("agent refused at %s: %s", request.remote, error)
            raise web.HTTPForbidden(text=f"{error}\n") from None

    @staticmethod
    def _log(record: PxeRecord, name: str, advertisement: Advertisement | None, text: str) -> None:
        level = logging.WARNING if record.state is RecordState.FAILED else logging.INFO
        extra = {"computer": name, "advertisement": advertisement.name if advertisement else ""}
        log.log(level, "try %d: %s", record.tries, text, extra=extra)


def _boot_id(text: str) -> str:
    if not re.fullmatch(r"[0-9a-zA-Z-]{8,64}", text):
        raise web.HTTPBadRequest(text="boot is the boot id of the running system\n")
    return text


async def _read_json(request: web.Request) -> dict[str, Any]:
    if request.content_length is None or request.content_length > MAX_REPORT_BYTES:
        raise web.HTTPRequestEntityTooLarge(MAX_REPORT_BYTES, request.content_length or 0)
    try:
        message = await request.json()
    except ValueError:
        raise web.HTTPBadRequest(text="a report is a JSON object\n") from None
    if not isinstance(message, dict):
        raise web.HTTPBadRequest(text="a report is a JSON object\n")
    return message


def _words(message: dict[str, Any]) -> str:
    """The report as one printable line: what, then the last of what the program said."""
    code = message.get("exit_code")
    parts = (
        str(message["state"]),
        repr(str(message["step"])[:_STEP_CHARACTERS]) if message.get("step") else "",
        f"exit code {code}" if isinstance(code, int) else "",
        str(message.get("message") or "")[-_MESSAGE_CHARACTERS:],
    )
    text = " ".join(part for part in parts if part)
    return "".join(c if c.isprintable() else " " for c in text)


def _try_again(error: StoreError) -> web.HTTPServiceUnavailable:
    log.error("an agent has to try again: %s", error)
    return web.HTTPServiceUnavailable(text=f"{error}\n", headers={"Retry-After": "5"})
