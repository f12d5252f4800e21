"""The far ends the contract is held with: the local server, and Google's on request.

A :class:`FarEnd` is one service at one place: what the official SDK and a bare WebSocket
need to reach it.  Credentials are Google's own variables, read when this is imported,
before anything clears them.
"""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import google.auth.credentials
from google import genai
from google.genai import types

from gateway.live import catalog
from gateway.live.credentials import ApiKey, ApplicationDefault, Credentials
from gateway.live.endpoint import Endpoint, Service
from gateway.live.local import LocalLiveServer
from gateway.live.local.tls import Certificate, self_signed

_ENVIRONMENT = dict(os.environ)
KEY = "a-key-that-the-local-server-takes"


@dataclass
class FarEnd:
    """``pace`` is how much faster than real time speech may be sent to it."""

    service: Service
    model: str
    endpoint: Endpoint
    credentials: Credentials
    sdk: Callable[[], genai.Client] = field(repr=False)
    ssl: ssl.SSLContext | None = None
    local: LocalLiveServer | None = None
    pace: float = 1.0

    @property
    def name(self) -> str:
        return f"{'local' if self.local else 'real'} {self.service} {self.model}"

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[genai.Client]:
        """The official SDK, pointed here."""
        client = self.sdk()
        try:
            yield client
        finally:
            await client.aio.aclose()
            client.close()

    @contextlib.asynccontextmanager
    async def talking(self, **config: Any) -> AsyncIterator[Any]:
        """A live session of the official SDK; ``config`` adds to audio and transcripts."""
        settings: Any = {
            "response_modalities": ["AUDIO"],
            "input_audio_transcription": {},
            "output_audio_transcription": {},
            **config,
        }
        model = settings.pop("model", self.model)
        async with (
            self.client() as client,
            client.aio.live.connect(model=model, config=settings) as session,
        ):
            yield session


class FakeCredentials(google.auth.credentials.Credentials):
    """A bearer token that never expires and is nobody's."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.token = "fake"

    @property
    def expired(self) -> bool:
        return False

    def refresh(self, request: Any) -> None:
        self.token = "fake"


@contextlib.asynccontextmanager
async def local_far_end(service: Service, **options: Any) -> AsyncIterator[FarEnd]:
    """The local server behind TLS, which the SDK insists on."""
    certificate = self_signed()
    async with LocalLiveServer(tls=certificate.server_context(), **options) as server:
        yield FarEnd(
            service=service,
            model=catalog.load().default_model(service).id,
            endpoint=_endpoint(service, server.url),
            credentials=ApiKey(KEY),
            sdk=lambda: _local_sdk(service, server.url, certificate),
            ssl=certificate.client_context(),
            local=server,
            pace=8.0,
        )


def _endpoint(service: Service, url: str) -> Endpoint:
    if service == "dev":
        return Endpoint("dev", base_url=url)
    return Endpoint("vertex", project="p", location="us-central1", base_url=url)


def _local_sdk(service: Service, url: str, certificate: Certificate) -> genai.Client:
    options = types.HttpOptions(
        base_url=url.replace("wss://", "https://"),
        async_client_args={"ssl": certificate.client_context()},
    )
    if service == "dev":
        return genai.Client(api_key=KEY, http_options=options)
    return genai.Client(
        vertexai=True,
        project="p",
        location="us-central1",
        credentials=FakeCredentials(),
        http_options=options,
    )


def real_far_end(service: Service) -> FarEnd | None:
    """Google's service, ``None`` where the environment has no credentials for it."""
    model = catalog.load().default_model(service).id
    if service == "dev":
        key = _ENVIRONMENT.get("GEMINI_API_KEY") or _ENVIRONMENT.get("GOOGLE_API_KEY")
        if not key:
            return None
        return FarEnd("dev", model, Endpoint("dev"), ApiKey(key), lambda: genai.Client(api_key=key))
    project = _ENVIRONMENT.get("GOOGLE_CLOUD_PROJECT")
    if not project:
        return None
    location = _ENVIRONMENT.get("GOOGLE_CLOUD_LOCATION") or "us-central1"
    return FarEnd(
        "vertex",
        model,
        Endpoint("vertex", project=project, location=location),
        ApplicationDefault(),
        lambda: genai.Client(vertexai=True, project=project, location=location),
    )
