"""What each address does: parse the request, ask the calls, make the answer.

Nothing here knows how a call works or what may go wrong with it; errors of the
gateway pass through to the table in :mod:`signaling.problems`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC

from aiohttp import HttpVersion11, web
from aiohttp.typedefs import Handler

from gateway.call import CallRecord
from gateway.calls import Calls
from gateway.errors import Draining
from signaling.models import ModelsView
from signaling.problems import Problem, quoted

CALLS = web.AppKey("calls", Calls)
MODELS = web.AppKey("models", ModelsView)
BASE_URL = web.RequestKey("base_url", str)  # scheme and authority as the client used them

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
OFFER_BYTES = 64 * 1024
BODY_S = 10.0
PREFLIGHT_S = 600
PREFLIGHT_HEADERS = "Authorization, Content-Type, If-Match, X-Request-Id"

_NOT_STORED = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class OfferLimits:
    """How large an offer or a fragment may be, and how long it may take to come."""

    size_bytes: int = OFFER_BYTES
    seconds: float = BODY_S


OFFER_LIMITS = web.AppKey("offer_limits", OfferLimits)


async def open_call(request: web.Request) -> web.StreamResponse:
    _expect_type(request, {"Accept-Post": SDP}, SDP)
    wanted = request.app[MODELS].wanted(list(request.query.items()))
    offer = await _read_text(request, request.app[OFFER_LIMITS], "bad_offer")
    call, answer = await request.app[CALLS].create(
        offer, model=wanted.model, voice=wanted.voice, language=wanted.language
    )
    response = web.Response(
        status=201,
        body=answer.encode(),
        content_type=SDP,
        headers=_NOT_STORED | {"Location": f"{request[BASE_URL]}/v1/calls/{call.id}"},
    )
    response.etag = call.etag
    try:
        return await _deliver(request, response)
    except BaseException:
        request.app[CALLS].hang_up(call.id)  # it has no owner: nobody was told its name
        raise


async def change_connection(request: web.Request) -> web.Response:
    """Trickle ICE and ICE restarts by fragments (RFC 9725 §4.3), and later offers."""
    calls, call_id = request.app[CALLS], request.match_info["id"]
    calls.find(call_id)
    sent = _expect_type(request, {"Accept-Patch": f"{SDP}, {FRAGMENT}"}, SDP, FRAGMENT)
    limits = request.app[OFFER_LIMITS]
    if sent == SDP:
        offer = await _read_text(request, limits, "bad_offer")
        call, answer = await calls.renegotiate(call_id, offer, _etags(request))
    else:
        if "If-Match" not in request.headers:
            detail = "A fragment comes with If-Match: the ETag of the call, or * to restart ICE."
            raise Problem("etag_required", detail)
        fragment = await _read_text(request, limits, "bad_fragment")
        call, restarted = calls.patch(call_id, fragment, _etags(request))
        if restarted is None:
            return web.Response(status=204, headers=_NOT_STORED)
        answer = restarted
    response = web.Response(body=answer.encode(), content_type=sent, headers=_NOT_STORED)
    response.etag = call.etag
    return response


def _etags(request: web.Request) -> frozenset[str] | None:
    """What ``If-Match`` allows; ``None`` for everything: it is not there, or ``*``."""
    if request.headers.get("If-Match", "*").strip() == "*":
        return None
    return frozenset(etag.value for etag in request.if_match or () if not etag.is_weak)


async def look(request: web.Request) -> web.Response:
    return _json(_portrait(request.app[CALLS].find(request.match_info["id"])))


async def hang_up(request: web.Request) -> web.Response:
    request.app[CALLS].hang_up(request.match_info["id"])
    return await look(request)


async def list_models(request: web.Request) -> web.Response:
    return _json(request.app[MODELS].document())


async def healthz(request: web.Request) -> web.Response:
    return _json({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    if not request.app[CALLS].accepting:
        raise Draining("The gateway takes no new calls.")
    return _json({"status": "ready"})


def options(allowed: str, more: Mapping[str, str]) -> Handler:
    """Says what may be done at an address, and answers the pre-flight of an allowed origin."""

    async def handler(request: web.Request) -> web.Response:
        headers = {"Allow": allowed, **more}
        if "Access-Control-Request-Method" in request.headers:
            headers["Access-Control-Allow-Methods"] = allowed
            headers["Access-Control-Allow-Headers"] = PREFLIGHT_HEADERS
            headers["Access-Control-Max-Age"] = str(PREFLIGHT_S)
        return web.Response(status=204, headers=headers)

    return handler


async def no_hurry(request: web.Request) -> None:
    """``Expect`` is met by the one who reads the body, after all else was checked."""


def is_gone(request: web.Request) -> bool:
    """Whether the client has left before its answer."""
    return request.transport is None or request.transport.is_closing()


def _expect_type(request: web.Request, accept: Mapping[str, str], *types: str) -> str:
    """Which of the types the body has; ``accept`` is the header that tells of them."""
    sent = request.headers.get("Content-Type")
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    media_type = (sent or "").partition(";")[0].strip().lower()
    if media_type not in types:
        kind = "without a type" if sent is None else f"as {quoted(sent)}"
        detail = f"{request.method} {' or '.join(types)}, not {kind}."
        raise Problem("wrong_content_type", detail, accept)
    if coding != "identity":
        detail = f"{request.method} the body as it is, not encoded as {quoted(coding)}."
        headers = {**accept, "Accept-Encoding": "identity"}
        raise Problem("wrong_content_type", detail, headers)
    return media_type


async def _read_text(request: web.Request, limits: OfferLimits, bad: str) -> str:
    """The body; ``bad`` is the code of one that is empty or no text."""
    too_large = Problem("offer_too_large", f"The body has at most {limits.size_bytes} bytes.")
    if (request.content_length or 0) > limits.size_bytes:
        raise too_large
    if (
        request.version >= HttpVersion11
        and request.headers.get("Expect", "").lower() == "100-continue"
    ):
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the response proper has not begun
    body = bytearray()
    try:
        async with asyncio.timeout(limits.seconds):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > limits.size_bytes:
                    raise too_large
    except TimeoutError:
        detail = f"The body has not arrived within {limits.seconds:g} s."
        raise Problem("offer_too_slow", detail) from None
    except web.RequestPayloadError:
        raise Problem("bad_request", "The body is not framed as HTTP asks.") from None
    if not body.strip():
        raise Problem(bad, "The body is empty.")
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise Problem(bad, "The body is not UTF-8 text.") from None


async def _deliver(request: web.Request, response: web.Response) -> web.StreamResponse:
    """Send it now rather than on return, to learn whether the client is still there."""
    if is_gone(request):
        raise ConnectionResetError("the client went away before the answer")
    await response.prepare(request)
    await response.write_eof()
    return response


def _portrait(call: CallRecord) -> dict[str, object]:
    created = call.created_at.astimezone(UTC).replace(tzinfo=None)
    ended = call.ended
    return {
        "id": call.id,
        "state": call.state,
        "created_at": created.isoformat(timespec="milliseconds") + "Z",
        "age_ms": call.age_ms,
        "config": {
            "model": call.settings.model,
            "voice": call.settings.voice,
            "language": call.settings.language,
        },
        "ended": ended and {"reason": ended.reason, "message": ended.message},
        "counters": call.counters,
    }


def _json(document: Mapping[str, object]) -> web.Response:
    return web.json_response(document, headers=_NOT_STORED)
