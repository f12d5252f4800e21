"""The whole product on loopback: local Live server, calls, HTTP."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

from gateway.call import CallSettings, MakePeer
from gateway.calls import Calls
from gateway.config import CallConfig, HttpConfig, LiveConfig
from gateway.dialer import Dialer
from gateway.live.local import LocalLiveServer, Script, Switches
from gateway.native import NativeEngine
from gateway.tracks import AiortcPeer, prepare_aiortc
from signaling.app import make_app
from signaling.models import models_view
from signaling.server import HttpServer
from tests.support.leaks import nothing_left

LIMITS = CallConfig(greeting="")
ENGINES = ("native", "aiortc")
ENGINE = "native"  # of the stacks that are started; tests of both change it


@dataclass
class Stack:
    url: str
    calls: Calls
    live: LocalLiveServer


@contextlib.asynccontextmanager
async def engine() -> AsyncIterator[MakePeer]:
    """The WebRTC engine ``ENGINE`` on loopback."""
    if ENGINE == "aiortc":
        prepare_aiortc(loopback=True)
        yield AiortcPeer
        return
    native = NativeEngine(["127.0.0.1"], 0)
    await native.start()
    try:
        yield native.make_peer
    finally:
        await native.aclose()


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
    of the calls (model, voice, language).  The WebRTC engine is ``ENGINE``.
    """
    config = replace(live or LiveConfig(), **settings)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(nothing_left())
        make_peer = await stack.enter_async_context(engine())
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
