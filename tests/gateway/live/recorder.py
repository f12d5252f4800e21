"""A WebSocket server that writes down what it is asked and plays a script in answer."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.server import Request, Response, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

SETUP_COMPLETE = b'{\n  "setupComplete": {}\n}\n'

Script = Callable[[ServerConnection], Awaitable[None]]


@dataclass
class Recorder:
    """What was asked of the server."""

    port: int = 0
    requests: list[Request] = field(default_factory=list)
    messages: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)  # after set-up
    setup: Any = None
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    @property
    def secure_url(self) -> str:
        return f"wss://127.0.0.1:{self.port}"


async def nothing(connection: ServerConnection) -> None:
    """The script of a service that waits for the client."""


@asynccontextmanager
async def live_service(
    script: Script = nothing,
    *,
    answer: bytes | str | None = SETUP_COMPLETE,
    refuse: Callable[[ServerConnection], Response] | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Recorder]:
    """Serve on loopback: read the set-up, ``answer`` it, play the script, read to the end."""
    recorder = Recorder()

    def process(connection: ServerConnection, request: Request) -> Response | None:
        recorder.requests.append(request)
        return refuse(connection) if refuse else None

    async def handle(connection: ServerConnection) -> None:
        try:
            recorder.setup = json.loads(await connection.recv())
            if answer is not None:
                await connection.send(answer)
            await script(connection)
            async for message in connection:
                recorder.messages.put_nowait(json.loads(message))
        except ConnectionClosed:
            pass
        finally:
            recorder.closed.set()

    async with serve(
        handle, "127.0.0.1", 0, process_request=process, ssl=tls, close_timeout=0.1
    ) as server:
        recorder.port = next(iter(server.sockets)).getsockname()[1]
        yield recorder


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "livegate test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "certificate.pem", folder / "key.pem"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate_file, key_file
