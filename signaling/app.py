"""The HTTP plane as one aiohttp application: which address leads where.

Every request passes the same door: it gets an id, open mode looks at ``Host``
and ``Origin``, and whatever goes wrong behind it comes out as a problem
document.  Headers that every response has are added when it is sent, so that
none can be forgotten.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.calls import Calls
from gateway.config import HttpConfig
from signaling import routes
from signaling.files import WebFiles, web_folder
from signaling.models import ModelsView
from signaling.openmode import Authority, OpenMode
from signaling.problems import ROUTE, SERVER, Problem, problem_of, quoted, request_id, respond

logger = logging.getLogger(__name__)

OPEN_MODE = web.AppKey("open_mode", OpenMode)
CORS_ORIGIN = web.RequestKey("cors_origin", str)  # set once the origin is known to be allowed

EXPOSED = "Location, ETag, Link, X-Request-Id, Retry-After"


def make_app(
    calls: Calls,
    config: HttpConfig,
    models: ModelsView,
    *,
    folder: Path | None = None,
    body_s: float = routes.BODY_S,
) -> web.Application:
    """Everything that is served.

    ``folder`` holds the page (default: the project's own), ``body_s`` is how
    long an offer may take to arrive, in seconds.
    """
    app = web.Application(middlewares=[_door])
    app[routes.CALLS] = calls
    app[routes.MODELS] = models
    app[routes.OFFER_LIMITS] = routes.OfferLimits(seconds=body_s)
    app[OPEN_MODE] = OpenMode(config)
    app.on_response_prepare.append(_headers)
    files = WebFiles(folder or web_folder())
    _add(app, "/v1/calls", {"Accept-Post": routes.SDP}, post=routes.open_call)
    _add(
        app,
        "/v1/calls/{id}",
        {"Accept-Patch": ", ".join((routes.SDP, routes.FRAGMENT))},
        get=routes.look,
        patch=routes.change_connection,
        delete=routes.hang_up,
    )
    _add(app, "/v1/calls/{id}/hangup", post=routes.hang_up)
    _add(app, "/v1/models", get=routes.list_models)
    _add(app, "/healthz", get=routes.healthz)
    _add(app, "/readyz", get=routes.readyz)
    _add(app, "/static/{name:.+}", get=files.static)
    _add(app, "/", get=files.index)
    return app


def _add(
    app: web.Application, path: str, options: Mapping[str, str] | None = None, **methods: Handler
) -> None:
    """One address with its methods, ``HEAD`` beside ``GET``, and ``OPTIONS`` with its headers."""
    if get := methods.get("get"):
        methods["head"] = get
    allowed = ", ".join(sorted(name.upper() for name in (*methods, "options")))
    methods["options"] = routes.options(allowed, options or {})
    resource = app.router.add_resource(path)
    for name, handler in methods.items():
        resource.add_route(name.upper(), handler, expect_handler=routes.no_hurry)


@web.middleware
async def _door(request: web.Request, handler: Handler) -> web.StreamResponse:
    if (resource := request.match_info.route.resource) is not None:
        request[ROUTE] = resource.canonical
    try:
        _admit(request)
        return await handler(request)
    except Exception as error:
        if isinstance(error, ConnectionError) and routes.is_gone(request):
            return web.Response(status=499)  # nobody is there to read it
        problem = problem_of(error)
        if problem.code == "internal":
            logger.exception("request %s failed: a bug", request_id(request))
        return respond(problem, request)


def _admit(request: web.Request) -> None:
    mode = request.app[OPEN_MODE]
    hosts = request.headers.getall("Host", [])
    if not mode.host_allowed(hosts, request.raw_path):
        raise Problem("foreign_host", _unserved(hosts, mode))
    origins = request.headers.getall("Origin", [])
    if not mode.origin_allowed(origins, hosts[0]):
        raise Problem(
            "foreign_origin",
            "Pages of this origin may not call here unless --origins (LIVEGATE_ORIGINS) lists it.",
        )
    if origins:
        request[CORS_ORIGIN] = origins[0]
    request[routes.BASE_URL] = mode.base_url(hosts[0])


def _unserved(hosts: Sequence[str], mode: OpenMode) -> str:
    """Which host was refused, and what would have it served."""
    if len(hosts) != 1:
        return "A request names its host once, in Host."
    if mode.host_allowed(hosts, "/"):
        return "The request line names another host than Host."
    authority = Authority.parse(hosts[0])
    if authority is None:
        return f"Host is {quoted(hosts[0])}, which is not a name or an address."
    name = f"[{authority.host}]" if ":" in authority.host else authority.host
    port = "" if authority.port is None else f":{authority.port}"
    return (
        f"The gateway was not told to serve {quoted(authority.host, 253)}; if it is a name of this "
        f"machine, start it with --origins {mode.scheme}://{name}{port} (LIVEGATE_ORIGINS)."
    )


async def _headers(request: web.Request, response: web.StreamResponse) -> None:
    headers = response.headers
    headers["Server"] = SERVER
    headers["X-Request-Id"] = request_id(request)
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers["Vary"] = "Origin"
    if (origin := request.get(CORS_ORIGIN)) is not None:
        headers["Access-Control-Allow-Origin"] = origin
        headers["Access-Control-Expose-Headers"] = EXPOSED
