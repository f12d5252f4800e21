"""Problem documents (RFC 9457): everything that can go wrong over HTTP, in one table.

A handler raises :class:`Problem` with a code of the table, or lets an error of
the gateway through; the answer is made here, the same for all.  ``code`` is for
programs and never changes, ``detail`` is a sentence for people, ``request_id``
finds the line in the log.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from aiohttp import web
from ulid import ULID

from gateway.errors import (
    BadFragment,
    BadOffer,
    CallEnded,
    CannotChange,
    Draining,
    GatewayError,
    NoCommonCodec,
    StaleEtag,
    TooManyCalls,
    UnknownCall,
    UnknownUfrag,
)

logger = logging.getLogger(__name__)

REQUEST_ID = web.RequestKey("request_id", str)
ROUTE = web.RequestKey("route", str)  # what a log may say of the address: /v1/calls/{id}
SERVER = "livegate"  # instead of the versions of Python and aiohttp
RETRY_AFTER_S = 5  # calls end all the time; a stopping gateway is replaced in seconds

_SANE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")


@dataclass(frozen=True, slots=True)
class Kind:
    """One row: the HTTP status, the title that RFC 9110 gives it, what else to say."""

    status: int
    title: str
    retry: bool = False  # Retry-After
    closes: bool = False  # what follows on this connection cannot be trusted


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "bad_offer": Kind(400, "Bad Request"),
        "bad_fragment": Kind(400, "Bad Request"),
        "unknown_model": Kind(400, "Bad Request"),
        "unknown_voice": Kind(400, "Bad Request"),
        "unknown_language": Kind(400, "Bad Request"),
        "unknown_parameter": Kind(400, "Bad Request"),
        "bad_request": Kind(400, "Bad Request", closes=True),
        "foreign_host": Kind(403, "Forbidden"),
        "foreign_origin": Kind(403, "Forbidden"),
        "unknown_call": Kind(404, "Not Found"),
        "not_found": Kind(404, "Not Found"),
        "method_not_allowed": Kind(405, "Method Not Allowed"),
        "offer_too_slow": Kind(408, "Request Timeout", closes=True),
        "call_ended": Kind(409, "Conflict"),
        "unknown_ufrag": Kind(409, "Conflict"),
        "stale_etag": Kind(412, "Precondition Failed"),
        "offer_too_large": Kind(413, "Content Too Large"),
        "wrong_content_type": Kind(415, "Unsupported Media Type"),
        "no_common_codec": Kind(422, "Unprocessable Content"),
        "cannot_change_connection": Kind(422, "Unprocessable Content"),
        "etag_required": Kind(428, "Precondition Required"),
        "internal": Kind(500, "Internal Server Error"),
        "too_many_calls": Kind(503, "Service Unavailable", retry=True),
        "draining": Kind(503, "Service Unavailable", retry=True),
    }
)

OF_ERROR: Mapping[type[GatewayError], str] = MappingProxyType(
    {
        BadOffer: "bad_offer",
        NoCommonCodec: "no_common_codec",
        BadFragment: "bad_fragment",
        UnknownUfrag: "unknown_ufrag",
        StaleEtag: "stale_etag",
        CannotChange: "cannot_change_connection",
        CallEnded: "call_ended",
        UnknownCall: "unknown_call",
        TooManyCalls: "too_many_calls",
        Draining: "draining",
    }
)


class Problem(Exception):
    """A request that is answered by a problem document.

    ``headers`` go out with it, such as ``Allow`` or ``Accept-Post``.
    """

    def __init__(self, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        assert code in KINDS, f"{code!r} has no row in the table"
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})

    @property
    def kind(self) -> Kind:
        return KINDS[self.code]


def problem_of(error: Exception) -> Problem:
    """The problem a client is told of; whatever is not a known error is ``internal``."""
    match error:
        case Problem():
            return error
        case GatewayError() if (code := _code_of(error)) is not None:
            return Problem(code, str(error))
        case web.HTTPNotFound():
            return Problem("not_found", "There is nothing at this address.")
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            return Problem(
                "method_not_allowed", f"This address takes {allowed}.", {"Allow": allowed}
            )
        case web.HTTPException() if error.status < 500:
            return Problem("bad_request", f"{error.reason}.")
        case _:
            return Problem("internal", "A bug in the gateway; its log has more under request_id.")


def _code_of(error: GatewayError) -> str | None:
    return next((code for kind, code in OF_ERROR.items() if isinstance(error, kind)), None)


def respond(problem: Problem, request: web.BaseRequest) -> web.Response:
    """The problem as a response to ``request``."""
    kind = problem.kind
    document = {
        "type": "about:blank",
        "title": kind.title,
        "status": kind.status,
        "code": problem.code,
        "detail": problem.detail,
        "request_id": request_id(request),
    }
    response = web.Response(
        status=kind.status,
        body=json.dumps(document).encode(),
        content_type="application/problem+json",
        headers={
            "Cache-Control": "no-store",
            "Server": SERVER,
            "X-Request-Id": request_id(request),
        }
        | problem.headers
        | ({"Retry-After": str(RETRY_AFTER_S)} if kind.retry else {}),
    )
    # One who asked to go on and was told no may or may not send the body: what
    # comes next on this connection could be either.
    if kind.closes or "Expect" in request.headers:
        response.force_close()
    return response


def request_id(request: web.BaseRequest) -> str:
    """The client's own ``X-Request-Id`` if it is short and plain, else a new ULID; kept."""
    known = request.get(REQUEST_ID)
    if known is None:
        asked = request.headers.get("X-Request-Id", "")
        known = asked if _SANE_ID.fullmatch(asked) else str(ULID())
        request[REQUEST_ID] = known
    return known


def quoted(text: str, limit: int = 60) -> str:
    """What a client sent, fit to be shown in a ``detail``: short, one line, printable."""
    return repr(text if len(text) <= limit else text[:limit] + "…")
