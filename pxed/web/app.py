"""The HTTP application on the service's interfaces, and the control application on a local socket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from pxed.web.request import INTERFACE_OF, InterfaceOf
from pxed.web.turns import Turnstile

MAX_REQUESTS_AT_ONCE = 2000
"""More than that many requests under way get 503: a stranger must not make us hold what we cannot serve."""

_BEGUN_A_TURN = 8
"""requests that are looked at in one turn of the loop, about a millisecond each"""


def application(interface_of: InterfaceOf, *rooms: Any) -> web.Application:
    """The application of the given rooms (`Scripts`, `AgentApi`, `Files`), the one that takes all names last."""
    app = web.Application(middlewares=[_limit()], client_max_size=64 * 1024)
    app[INTERFACE_OF] = interface_of
    for room in rooms:
        room.add_routes(app.router)
    return app


def control_application(status: Callable[[], Awaitable[dict[str, Any]]]) -> web.Application:
    """What `pxed status` asks over the local socket: GET /status."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(await status())

    app = web.Application()
    app.router.add_get("/status", answer)
    return app


def _limit() -> Middleware:
    under_way = 0
    turnstile = Turnstile(_BEGUN_A_TURN)

    @web.middleware
    async def limit(request: web.Request, handler: Handler) -> web.StreamResponse:
        nonlocal under_way
        if under_way >= MAX_REQUESTS_AT_ONCE:
            raise web.HTTPServiceUnavailable(text="too many requests at once\n", headers={"Retry-After": "5"})
        under_way += 1
        try:
            await turnstile.turn()
            return await handler(request)
        finally:
            under_way -= 1

    return limit
