"""Listening and stopping: addresses, ports, certificates."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.config import HttpConfig
from gateway.errors import ConfigError
from signaling.app import make_app
from signaling.models import ModelsView
from signaling.server import HttpServer
from tests.signaling.conftest import Serve
from tests.signaling.support import OFFER, SDP, FakeCalls, Wire

pytestmark = pytest.mark.integration


@pytest.fixture
def tls(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for localhost and its key."""
    return make_certificate(tmp_path, "good")


def make_certificate(
    folder: Path, name: str, *, password: bytes | None = None
) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / f"{name}.crt", folder / f"{name}.key"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(password)
            if password
            else serialization.NoEncryption(),
        )
    )
    return cert_file, key_file


async def refusal(config: HttpConfig, models: ModelsView) -> str:
    server = HttpServer(make_app(FakeCalls(), config, models), config)  # type: ignore[arg-type]
    with pytest.raises(ConfigError) as caught:
        await server.start()
    await server.stop()
    return str(caught.value)


async def test_a_call_is_opened_over_tls(
    serve: Serve, http: aiohttp.ClientSession, tls: tuple[Path, Path]
) -> None:
    server = await serve(host="localhost", tls_cert=tls[0], tls_key=tls[1])
    trust = ssl.create_default_context(cafile=str(tls[0]))
    url = f"{server.url}/v1/calls"
    assert url.startswith("https://localhost:")
    async with http.post(url, data=OFFER, headers=SDP, ssl=trust) as response:
        assert response.status == 201
        assert response.headers["Location"] == f"{url}/call_1"
    own_page, plain_page = server.url, server.url.replace("https", "http")
    for origin, status in ((own_page, 200), (plain_page, 403)):
        async with http.get(url + "/call_1", headers={"Origin": origin}, ssl=trust) as response:
            assert response.status == status


async def test_plain_http_to_a_tls_port_and_a_half_handshake_do_no_harm(
    serve: Serve, http: aiohttp.ClientSession, tls: tuple[Path, Path]
) -> None:
    server = await serve(host="127.0.0.1", tls_cert=tls[0], tls_key=tls[1])
    plain = await Wire.open(server.url)
    await plain.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert await plain.at_end()
    half = await Wire.open(server.url)
    await half.send(b"\x16\x03\x01")
    trust = ssl.create_default_context(cafile=str(tls[0]))
    async with http.get(f"{server.url}/healthz", ssl=trust, server_hostname="localhost") as got:
        assert got.status == 200
    await half.aclose()
    await plain.aclose()


async def test_a_taken_port_is_named_with_the_way_out(models: ModelsView) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        text = await refusal(HttpConfig(port=port), models)
    assert str(port) in text and "LIVEGATE_PORT" in text


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "no-such-host.invalid"])
async def test_an_address_that_is_not_ours_is_named(models: ModelsView, host: str) -> None:
    text = await refusal(HttpConfig(host=host, port=0, open_to_all=True), models)
    assert f"--host (LIVEGATE_HOST={host})" in text


async def test_a_certificate_that_cannot_serve_is_named(
    models: ModelsView, tls: tuple[Path, Path], tmp_path: Path
) -> None:
    other = make_certificate(tmp_path, "other")
    locked = make_certificate(tmp_path, "locked", password=b"secret")
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("not a certificate")
    for cert, key in (
        (tls[0], other[1]),
        (garbage, tls[1]),
        (tls[0], garbage),
        (tmp_path / "missing.pem", tls[1]),
        (tls[1], tls[0]),
    ):
        text = await refusal(HttpConfig(port=0, tls_cert=cert, tls_key=key), models)
        assert "--tls-cert (LIVEGATE_TLS_CERT=" in text and "--tls-key (LIVEGATE_TLS_KEY=" in text
    text = await refusal(HttpConfig(port=0, tls_cert=locked[0], tls_key=locked[1]), models)
    assert "without a password" in text  # rather than asking for it on the terminal


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:"),
        ("localhost", "http://localhost:"),
        ("0.0.0.0", "http://127.0.0.1:"),
        ("::1", "http://[::1]:"),
        ("[::1]", "http://[::1]:"),
        ("::", "http://[::1]:"),
    ],
)
async def test_the_url_leads_to_the_server(
    serve: Serve, http: aiohttp.ClientSession, host: str, url: str
) -> None:
    try:
        server = await serve(host=host, open_to_all=True)
    except ConfigError:
        pytest.skip("this machine has no IPv6")
    assert server.url.startswith(url)
    async with http.get(f"{server.url}/healthz") as response:
        assert response.status == 200


async def test_stopping_closes_idle_connections_and_may_be_repeated(serve: Serve) -> None:
    server = await serve()
    async with await Wire.open(server.url) as idle, await Wire.open(server.url) as used:
        await used.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await used.expect()).status == 200
        async with asyncio.timeout(2):
            await server.stop()
            assert await idle.at_end()
            assert await used.at_end()
        await server.stop()


async def test_a_head_that_drips_is_given_up(models: ModelsView, calls: FakeCalls) -> None:
    config = HttpConfig(port=0)
    app = make_app(calls, config, models)  # type: ignore[arg-type]
    server = HttpServer(app, config, keepalive_s=0.1)
    await server.start()
    async with await Wire.open(server.url) as wire:
        for byte in b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 200:
            try:
                await wire.send(bytes([byte]))
            except ConnectionError:
                break
            await asyncio.sleep(0.01)
        else:
            pytest.fail("the server listened to the end")
        assert await wire.at_end()
    await server.stop()


async def test_a_server_that_never_started_can_be_stopped(
    models: ModelsView, calls: FakeCalls
) -> None:
    config = HttpConfig(port=0)
    server = HttpServer(make_app(calls, config, models), config)  # type: ignore[arg-type]
    await server.stop()
