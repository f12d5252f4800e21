"""The whole product on loopback: local Live server, calls, HTTP."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

from gateway.call import CallSettings
from gateway.calls import Calls
from gateway.config import CallConfig, HttpConfig, LiveConfig
from gateway.dialer import Dialer
from gateway.live.local import LocalLiveServer, Script, Switches
from gateway.peer import Peer, PeerListener, Playout
from gateway.tracks import AiortcPeer, prepare_aiortc
from signaling.app import make_app
from signaling.models import models_view
from signaling.server import HttpServer
from tests.support.leaks import nothing_left

LIMITS = CallConfig(greeting="")


@dataclass
class Stack:
    url: str
    calls: Calls
    live: LocalLiveServer


@contextlib.asynccontextmanager
async def running_stack(
    *,
    limits: CallConfig = LIMITS,
    live: LiveConfig | None = None,
    live_url: str | None = None,
    switches: Switches | None = None,
    script: Script | None = None,
    http: HttpConfig | None = None,
    **settings: Any,
) -> AsyncIterator[Stack]:
    """A gateway on a free port against a local Live server; leaves nothing behind.

    ``live_url`` puts something else at the far end; ``settings`` are defaults
    of the calls (model, voice, language).
    """
    prepare_aiortc(loopback=True)
    config = replace(live or LiveConfig(), **settings)

    def make_peer(listener: PeerListener, playout: Playout) -> Peer:
        return AiortcPeer(listener, playout)

    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(nothing_left())
        local = LocalLiveServer(switches=switches or Switches(), script=script)
        await stack.enter_async_context(local)
        dialer = Dialer(config, instructions=limits.instructions, url=live_url or local.url)
        defaults = CallSettings(config.model, config.voice, config.language)
        calls = Calls(limits, defaults, make_peer, dialer)
        http = http or HttpConfig(port=0)
        view = models_view(live="local", service=config.service, model=config.model)
        server = HttpServer(make_app(calls, http, view), http)
        await server.start()
        stack.push_async_callback(server.stop)
        stack.push_async_callback(calls.drain)
        yield Stack(server.url, calls, local)
