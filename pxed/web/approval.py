"""What an unknown computer gets while it waits for approval: a script that explains itself and asks again."""

from __future__ import annotations

import logging
import socket
from dataclasses import replace
from datetime import datetime, timedelta

from pxed.boot import script
from pxed.boot.token import Ticket, seal
from pxed.config import Config
from pxed.errors import StoreError
from pxed.policy.facts import Facts
from pxed.policy.record import BOOT_WINDOW
from pxed.records import Records
from pxed.site.model import Sighting
from pxed.web.request import Origin

log = logging.getLogger("pxed.script")


async def waiting_script(
    records: Records, config: Config, key: bytes, seen: Sighting, ticket: Ticket, origin: Origin, *, begins: bool
) -> str | None:
    """The script of a computer that was `seen` now; None if it has become known in this moment.

    It asks again with a new ticket, so it may wait longer than a ticket lasts, and as long as the configuration says.
    """
    now = seen.last_seen
    try:
        waiting = await records.waits(seen, begins=begins)
    except StoreError as error:
        log.error("%s cannot wait for approval: %s", seen.mac, error)
        return script.render_exit(f"nobody can be asked for approval: {error}")
    if waiting is None or waiting.waiting_since is None:
        return None
    left = waiting.waiting_since + timedelta(minutes=config.responder.approval_minutes) - now
    if left <= timedelta(0):
        records.ends_waiting(waiting.id)
        return script.render_exit(f"nobody approved within {config.responder.approval_minutes:g} minutes")
    renewed = seal(replace(ticket, expires=int((now + BOOT_WINDOW).timestamp())), key)
    return script.render_wait(
        script.Waiting(
            site=config.responder.site_name or socket.gethostname(),
            number=waiting.id,
            mac=seen.mac,
            guid=str(seen.guid or "none"),
            minutes=-(-left // timedelta(minutes=1)),
            url=f"{origin.base_url}/boot/{renewed}/waiting.ipxe",
        )
    )


def sighting_of(facts: Facts, now: datetime) -> Sighting:
    """As the sightings have one who asks for a script."""
    return Sighting(facts.mac, facts.guid, facts.architecture.code, facts.interface, "", now, now, 1)
