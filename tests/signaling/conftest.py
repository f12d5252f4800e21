"""A server on a real loopback socket, in front of calls that can be told to fail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.config import HttpConfig
from signaling.app import make_app
from signaling.models import ModelsView, models_view
from signaling.server import HttpServer
from tests.signaling.support import FakeCalls

Serve = Callable[..., Awaitable[HttpServer]]


@pytest.fixture
def calls() -> FakeCalls:
    return FakeCalls()


@pytest.fixture(scope="session")
def models() -> ModelsView:
    return models_view(live="local", service="dev", model="gemini-3.8-live", phrases=("Hello.",))


@pytest.fixture
async def serve(calls: FakeCalls, models: ModelsView) -> AsyncIterator[Serve]:
    """Start a server: ``await serve(config options…, calls=, folder=, body_s=)``."""
    running: list[HttpServer] = []

    async def start(
        *, folder: Path | None = None, body_s: float = 10.0, calls: Any = calls, **config: Any
    ) -> HttpServer:
        http = HttpConfig(port=0, **config)
        app = make_app(calls, http, models, folder=folder, body_s=body_s)
        server = HttpServer(app, http)
        await server.start()
        running.append(server)
        return server

    yield start
    for server in running:
        await server.stop()


@pytest.fixture
async def server(serve: Serve) -> HttpServer:
    return await serve()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session
