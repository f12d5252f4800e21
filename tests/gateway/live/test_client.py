"""A live session over real sockets, against a server that records and misbehaves."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import google.auth.credentials
import pytest
from websockets.asyncio.server import Response, ServerConnection

from gateway.errors import (
    LiveClosed,
    LiveError,
    LiveRefused,
    LiveUnauthorized,
    LiveUnreachable,
    LocalProtocolError,
)
from gateway.live import websocket
from gateway.live.client import LiveSession, connect
from gateway.live.credentials import ApiKey, ApplicationDefault, NoCredentials
from gateway.live.endpoint import Endpoint
from gateway.live.messages import (
    ActivityEnd,
    AudioChunk,
    Content,
    GoAway,
    LiveEvent,
    SessionResumptionUpdate,
    TextChunk,
    TextPart,
    TurnComplete,
)
from gateway.live.setup import ActivityDetection, LiveSetup
from tests.gateway.live.recorder import SETUP_COMPLETE, Recorder, live_service, self_signed

pytestmark = pytest.mark.integration

SETUP = LiveSetup("gemini-3.8-live")
TURN_COMPLETE = b'{"serverContent": {"turnComplete": true}}'


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    """Every task that a test started has ended with it."""
    before = asyncio.all_tasks()
    yield
    async with asyncio.timeout(2):
        while left := asyncio.all_tasks() - before - {asyncio.current_task()}:
            await asyncio.wait(left)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate; its key lies beside it."""
    return self_signed(tmp_path_factory.mktemp("tls"))[0]


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    return context


@pytest.fixture
def client_tls(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate)


async def opened(service: Recorder, setup: LiveSetup = SETUP) -> LiveSession:
    return await connect(Endpoint(base_url=service.url), NoCredentials(), setup)


async def refusal(url: str, **options: Any) -> LiveError:
    """The error of a session that is not opened."""
    with pytest.raises(LiveError) as caught:
        await connect(Endpoint(base_url=url), NoCredentials(), SETUP, **options)
    return caught.value


async def events_until_closed(session: LiveSession) -> tuple[list[LiveEvent], LiveClosed | None]:
    events = []
    try:
        async for event in session:
            events.append(event)
    except LiveClosed as closed:
        return events, closed
    return events, None


# -- what the service is asked -----------------------------------------------------------


async def test_the_developer_api_is_asked_with_a_key_in_a_header() -> None:
    setup = LiveSetup(
        "gemini-3.8-live",
        voice="Puck",
        language="en-US",
        instructions="Be brief.",
        detection=ActivityDetection(start_sensitivity="LOW", silence_duration_ms=400),
        handle="h",
    )
    async with live_service() as service:
        async with await connect(Endpoint(base_url=service.url), ApiKey("AIza-secret"), setup):
            pass
    (request,) = service.requests
    assert request.path == (
        "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
    )
    assert request.headers["x-goog-api-key"] == "AIza-secret"
    assert "Authorization" not in request.headers
    assert "Sec-WebSocket-Extensions" not in request.headers
    assert service.setup == {
        "setup": {
            "model": "models/gemini-3.8-live",
            "generationConfig": {
                "responseModalities": ["AUDIO"],
                "speechConfig": {
                    "voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Puck"}},
                    "languageCode": "en-US",
                },
            },
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "realtimeInputConfig": {
                "automaticActivityDetection": {
                    "startOfSpeechSensitivity": "START_SENSITIVITY_LOW",
                    "silenceDurationMs": 400,
                }
            },
            "inputAudioTranscription": {},
            "outputAudioTranscription": {},
            "sessionResumption": {"handle": "h"},
        }
    }


class FakeCredentials(google.auth.credentials.Credentials):  # type: ignore[misc]
    def refresh(self, request: Any) -> None:
        self.token = "fake-token"


async def test_vertex_ai_is_asked_with_a_bearer_token() -> None:
    async with live_service() as service:
        endpoint = Endpoint("vertex", project="p", location="us-central1", base_url=service.url)
        credentials = ApplicationDefault(credentials=FakeCredentials(), quota_project="q")
        async with await connect(endpoint, credentials, LiveSetup("m")):
            pass
    (request,) = service.requests
    assert request.path == (
        "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"
    )
    assert request.headers["Authorization"] == "Bearer fake-token"
    assert request.headers["x-goog-user-project"] == "q"
    assert "x-goog-api-key" not in request.headers
    assert service.setup["setup"]["model"] == (
        "projects/p/locations/us-central1/publishers/google/models/m"
    )


async def test_what_is_sent_arrives_in_order() -> None:
    async with live_service() as service, await opened(service) as session:
        await session.send_audio(b"\x01\x00" * 320)
        await session.send_text("hello")
        await session.send_audio_stream_end()
        await session.send_client_content([Content("user", (TextPart("a"),))])
        with pytest.raises(LocalProtocolError):
            await session.send(ActivityEnd())
        received = [await service.messages.get() for _ in range(4)]
    assert [(name, *fields) for message in received for name, fields in message.items()] == [
        ("realtimeInput", "audio"),
        ("realtimeInput", "text"),
        ("realtimeInput", "audioStreamEnd"),
        ("clientContent", "turns", "turnComplete"),
    ]


async def test_the_key_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with live_service() as service:
        endpoint = Endpoint(base_url=service.url)
        async with await connect(endpoint, ApiKey("AIza-secret"), SETUP) as session:
            await session.send_text("words of the caller")
            await service.messages.get()
    ours = [record for record in caplog.records if record.name.startswith("gateway")]
    assert ours
    assert not any(
        "secret" in record.getMessage() or "words" in record.getMessage() for record in ours
    )


# -- what is heard -----------------------------------------------------------------------


async def test_text_and_binary_frames_are_heard_alike() -> None:
    async def speak(connection: ServerConnection) -> None:
        await connection.send('{"serverContent": {"modelTurn": {"parts": [{"text": "a"}]}}}')
        await connection.send(b"{}\n")
        await connection.send(
            [b'{"serverContent": {"modelTurn":', b' {"parts": [{"text": "b"}]}}}']
        )
        await connection.send(
            b'{"serverContent": {"modelTurn": {"parts": '
            b'[{"inlineData": {"mimeType": "audio/pcm", "data": "AAA="}}]}, "turnComplete": true}}'
        )
        await connection.close()

    async with live_service(speak) as service, await opened(service) as session:
        events, _ = await events_until_closed(session)
        assert session.protocol.empty_frames == 1
    assert events == [TextChunk("a"), TextChunk("b"), AudioChunk(b"\0\0"), TurnComplete()]


async def test_what_came_with_setup_complete_is_heard_and_setup_complete_is_not() -> None:
    answer = json.dumps(
        {
            "setupComplete": {"sessionId": "s-1"},
            "sessionResumptionUpdate": {"newHandle": "h-1", "resumable": True},
        }
    )
    async with live_service(answer=answer) as service, await opened(service) as session:
        assert session.session_id == "s-1"
        assert session.handle == "h-1"
        assert await anext(session) == SessionResumptionUpdate("h-1", True)


async def test_go_away_and_handles_are_known_once_they_were_heard() -> None:
    async def leave(connection: ServerConnection) -> None:
        await connection.send(b'{"goAway": {"timeLeft": "9.5s"}}')

    async with live_service(leave) as service, await opened(service) as session:
        assert session.go_away is None
        assert await anext(session) == GoAway(9.5)
        assert session.go_away == GoAway(9.5)
        assert session.handle is None


async def test_iteration_can_be_left_in_the_middle_of_a_frame_and_taken_up_again() -> None:
    async def speak(connection: ServerConnection) -> None:
        await connection.send(
            b'{"serverContent": {"modelTurn": {"parts": [{"text": "a"}, {"text": "b"}]}}}'
        )

    async with live_service(speak) as service, await opened(service) as session:
        async for event in session:
            assert event == TextChunk("a")
            break
        assert await anext(session) == TextChunk("b")


async def test_reading_can_be_cancelled_without_losing_a_message() -> None:
    async with live_service() as service, await opened(service) as session:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await anext(session)
        await session.send_text("still there")
        assert (await service.messages.get())["realtimeInput"] == {"text": "still there"}


# -- refusals ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, "", LiveUnauthorized),
        (403, "Permission denied", LiveUnauthorized),
        (400, "API key not valid.", LiveUnauthorized),
        (404, "", LiveRefused),
        (429, "", LiveRefused),
        (503, "", LiveUnreachable),
    ],
)
async def test_a_refused_upgrade_says_why(status: int, body: str, kind: type[LiveError]) -> None:
    def refuse(connection: ServerConnection) -> Response:
        return connection.respond(status, body)

    async with live_service(refuse=refuse) as service:
        error = await refusal(service.url)
    assert type(error) is kind
    assert error.close_code == status
    assert str(error).endswith(f"(HTTP {status})")


async def test_a_redirect_is_not_followed_as_the_key_would_go_along() -> None:
    async with live_service() as elsewhere:

        def refuse(connection: ServerConnection) -> Response:
            response = connection.respond(302, "")
            response.headers["Location"] = elsewhere.url
            return response

        async with live_service(refuse=refuse) as service:
            with pytest.raises(LiveUnreachable) as caught:
                await connect(Endpoint(base_url=service.url), ApiKey("AIza-secret"), SETUP)
    assert caught.value.close_code == 302
    assert elsewhere.requests == []


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (1007, "API key not valid. Please pass a valid API key.", LiveUnauthorized),
        (1007, "Request contains an invalid argument.", LiveRefused),
        (1008, "models/x is not found for API version v1beta", LiveRefused),
        (1011, "Internal error encountered.", LiveUnreachable),
    ],
)
async def test_a_close_in_answer_to_the_set_up_says_why(
    code: int, reason: str, kind: type[LiveError]
) -> None:
    async def close(connection: ServerConnection) -> None:
        await connection.close(code, reason)

    async with live_service(close, answer=None) as service:
        error = await refusal(service.url)
    assert type(error) is kind
    assert (error.close_code, error.close_reason) == (code, reason)
    assert f"({code}: {reason})" in str(error)


async def test_a_service_that_speaks_another_protocol_is_refused() -> None:
    async with live_service(answer="hello") as service:
        error = await refusal(service.url)
        await service.closed.wait()
    assert type(error) is LiveRefused
    assert "does not speak the Live API" in str(error)


async def test_a_model_that_cannot_be_is_refused_before_dialling() -> None:
    async with live_service() as service:
        with pytest.raises(LiveRefused, match="not the name of a model"):
            await opened(service, LiveSetup("../m"))
    assert service.requests == []


# -- nobody there ------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_a_port_nobody_listens_at_is_unreachable() -> None:
    port = free_port()
    error = await refusal(f"ws://127.0.0.1:{port}")
    assert type(error) is LiveUnreachable
    assert str(error) == f"Nothing listens at 127.0.0.1:{port}: the connection was refused."


async def test_a_name_nobody_has_is_unreachable() -> None:
    error = await refusal("ws://no-such-host.invalid:9")
    assert type(error) is LiveUnreachable
    assert "no-such-host.invalid:9" in str(error)


async def test_a_certificate_nobody_trusts_is_unreachable(server_tls: ssl.SSLContext) -> None:
    async with live_service(tls=server_tls) as service:
        error = await refusal(service.secure_url)
    assert type(error) is LiveUnreachable
    assert "is not trusted: self-signed certificate" in str(error)
    assert "SSL_CERT_FILE" in str(error)


async def test_tls_to_a_plain_port_is_unreachable() -> None:
    async def answer_in_plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer_in_plain, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        error = await refusal(f"wss://127.0.0.1:{port}")
    assert type(error) is LiveUnreachable
    assert str(error) == f"127.0.0.1:{port} does not speak TLS; is it a ws:// address?"


async def test_a_plain_request_to_a_tls_port_is_unreachable(server_tls: ssl.SSLContext) -> None:
    async with live_service(tls=server_tls) as service:
        error = await refusal(service.url)
    assert type(error) is LiveUnreachable
    assert str(error) == (
        f"127.0.0.1:{service.port} did not answer in HTTP; is it a wss:// address?"
    )


async def test_a_trusted_certificate_is_taken(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async with live_service(tls=server_tls) as service:
        endpoint = Endpoint(base_url=service.secure_url)
        async with await connect(endpoint, NoCredentials(), SETUP, ssl=client_tls) as session:
            await session.send_audio(b"\0\0")
            await service.messages.get()


async def test_the_default_context_reads_ssl_cert_file(
    server_tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    websocket.default_context.cache_clear()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    try:
        async with live_service(tls=server_tls) as service:
            endpoint = Endpoint(base_url=service.secure_url)
            async with await connect(endpoint, NoCredentials(), SETUP):
                pass
    finally:
        websocket.default_context.cache_clear()


async def test_a_service_that_never_answers_the_upgrade_is_unreachable() -> None:
    def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        error = await refusal(f"ws://127.0.0.1:{port}", timeout_s=0.1)
        assert type(error) is LiveUnreachable
        assert str(error) == f"127.0.0.1:{port} did not open a WebSocket within 0.1 s."
        for writer in writers:
            writer.close()
            await writer.wait_closed()


async def test_a_service_that_never_completes_the_set_up_is_unreachable() -> None:
    async with live_service(answer=b"{}") as service:
        error = await refusal(service.url, timeout_s=0.1)
        assert type(error) is LiveUnreachable
        assert "did not complete the set-up within 0.1 s" in str(error)
        await service.closed.wait()  # and is not kept waiting


async def test_dialling_can_be_cancelled() -> None:
    async with live_service(answer=None) as service:
        task = asyncio.create_task(opened(service))
        while service.setup is None:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await service.closed.wait()


# -- the end of an open session ----------------------------------------------------------


@pytest.mark.parametrize("code", [1000, 1007, 1008, 1011])
async def test_a_close_by_the_service_ends_the_iteration_with_its_code(code: int) -> None:
    async def close(connection: ServerConnection) -> None:
        await connection.send(TURN_COMPLETE)
        await connection.close(code, "that is why")

    async with live_service(close) as service, await opened(service) as session:
        events, closed = await events_until_closed(session)
        assert events == [TurnComplete()]
        assert closed is not None
        assert (closed.close_code, closed.close_reason) == (code, "that is why")
        with pytest.raises(LiveClosed) as caught:
            await session.send_audio(b"\0\0")
        assert caught.value.close_code == code


async def test_a_connection_that_breaks_ends_the_iteration_without_a_code() -> None:
    async def break_off(connection: ServerConnection) -> None:
        connection.transport.abort()

    async with live_service(break_off) as service, await opened(service) as session:
        _, closed = await events_until_closed(session)
    assert closed is not None
    assert closed.close_code is None
    assert str(closed) == "The connection to the service broke off."


async def test_our_own_close_ends_the_iteration_cleanly() -> None:
    async with live_service() as service:
        session = await opened(service)
        reading = asyncio.create_task(events_until_closed(session))
        await session.send_text("a")
        await service.messages.get()
        await session.aclose()
        assert await reading == ([], None)
        await session.aclose()
        assert [event async for event in session] == []
        with pytest.raises(LiveClosed, match="closed by the gateway"):
            await session.send_text("b")


async def test_a_close_frame_ends_the_session_although_the_connection_stays_open() -> None:
    async def half_close(connection: ServerConnection) -> None:
        connection.protocol.send_close(1011, "Deadline expired")
        connection.send_data()
        connection.transport.pause_reading()
        await over.wait()
        connection.transport.abort()

    over = asyncio.Event()
    async with live_service(half_close) as service, await opened(service) as session:
        async with asyncio.timeout(websocket.CLOSE_S + 1):
            _, closed = await events_until_closed(session)
        over.set()
    assert closed is not None
    assert closed.close_code == 1011


async def deaf(connection: ServerConnection) -> None:
    """Reads no more, not even a close frame or a ping."""
    connection.transport.pause_reading()


async def fill(session: LiveSession) -> int:
    """Send 20 ms at a time until one has to wait; how many seconds went before it."""
    frames = 0
    with pytest.raises(TimeoutError):
        while True:
            async with asyncio.timeout(0.05):
                await session.send_audio(b"\x11\x22" * 320)
            frames += 1
    return frames // 50


@pytest.mark.parametrize("full", [False, True])
async def test_closing_takes_bounded_time_although_the_service_reads_nothing(full: bool) -> None:
    async with live_service(deaf) as service:
        session = await opened(service)
        if full:
            await fill(session)
        began = time.monotonic()
        await session.aclose()
        assert time.monotonic() - began < websocket.CLOSE_S + 0.5


async def test_a_message_that_cannot_be_read_ends_the_session() -> None:
    async def babble(connection: ServerConnection) -> None:
        await connection.send(b'{"serverContent": {"modelTurn": "what the caller said"}}')

    async with live_service(babble) as service, await opened(service) as session:
        _, closed = await events_until_closed(session)
        await service.closed.wait()
    assert closed is not None
    assert str(closed) == (
        "The service sent what cannot be read. "
        "serverContent.modelTurn must be an object, not this string."
    )


async def test_a_message_that_is_too_large_ends_the_session() -> None:
    async def shout(connection: ServerConnection) -> None:
        await connection.send(b" " * (websocket.MAX_MESSAGE_BYTES + 1))

    async with live_service(shout) as service, await opened(service) as session:
        _, closed = await events_until_closed(session)
    assert closed is not None
    assert str(closed) == "The service sent a message of more than 16 MiB."


# -- slow services -----------------------------------------------------------------------


def test_pongs_may_take_longer_than_half_a_minute() -> None:
    assert websocket.PONG_TIMEOUT_S > 45
    assert websocket.PING_INTERVAL_S < 60  # well before a middlebox forgets the connection
    assert websocket.UNSENT_TIMEOUT_MS == 1000 * websocket.PONG_TIMEOUT_S


async def test_a_late_pong_is_waited_for() -> None:
    async def sleepy(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await asyncio.sleep(0.2)  # many intervals
        connection.transport.resume_reading()
        await connection.send(TURN_COMPLETE)

    async with live_service(sleepy) as service:
        live_socket = await websocket.dial(
            Endpoint(base_url=service.url), {}, ping_interval_s=0.02, pong_timeout_s=5
        )
        await live_socket.send("{}")
        assert await live_socket.receive() == SETUP_COMPLETE
        assert await live_socket.receive() == TURN_COMPLETE
        await live_socket.aclose()


async def test_a_service_that_answers_no_ping_is_given_up() -> None:
    async with live_service(deaf) as service:
        live_socket = await websocket.dial(
            Endpoint(base_url=service.url), {}, ping_interval_s=0.02, pong_timeout_s=0.1
        )
        await live_socket.send("{}")
        assert await live_socket.receive() == SETUP_COMPLETE
        with pytest.raises(websocket.SocketClosed) as caught:
            await live_socket.receive()
    error = caught.value.error(was_open=True)
    assert type(error) is LiveClosed
    assert str(error) == "The service stopped answering."


async def test_what_the_service_does_not_take_is_seen_and_reading_goes_on() -> None:
    async def listen_later(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await full.wait()
        await connection.send(TURN_COMPLETE)
        connection.transport.resume_reading()

    full = asyncio.Event()
    async with live_service(listen_later) as service, await opened(service) as session:
        assert session.buffered_bytes < 1000
        # A second of it is ours; what the far kernel took, nobody can see from here.
        assert await fill(session) < 15
        assert session.buffered_bytes > 1.25 * websocket.UNSENT_BYTES  # the kernel's counted
        full.set()
        assert await anext(session) == TurnComplete()
        async with asyncio.timeout(10):
            while session.buffered_bytes:
                await asyncio.sleep(0.01)
