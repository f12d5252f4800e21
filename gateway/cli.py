"""The ``livegate`` command: the only place where the parts are put together.

``livegate serve`` reads the settings, starts the local Live server if that is
the far end, and serves calls until it is told to stop.  ``livegate live`` is
the local Live server by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from gateway import __version__
from gateway.call import CallSettings, MakePeer
from gateway.calls import Calls
from gateway.config import LOCAL, Config, is_loopback
from gateway.dialer import Dialer
from gateway.errors import ConfigError
from gateway.live.local import LocalLiveServer, Switches
from gateway.live.local.phrases import examples
from gateway.live.local.tls import self_signed
from gateway.logs import configure_logging
from gateway.native import NativeEngine
from gateway.rtc.candidates import host_addresses
from gateway.tracks import AiortcPeer, prepare_aiortc
from signaling.app import make_app
from signaling.models import LiveKind, ModelsView, models_view
from signaling.server import HttpServer

_SERVE_OPTIONS = {
    "host": "address to listen on (127.0.0.1)",
    "port": "port of the page and the HTTP interface (8080)",
    "origins": "pages of these origins may call, comma-separated",
    "tls-cert": "certificate chain for HTTPS, PEM; a phone needs HTTPS for its microphone",
    "tls-key": "its private key, PEM",
    "live-url": "the far end: local, or a ws:// or wss:// address (Google's own with credentials)",
    "live-connect-s": "seconds the service may take to accept a live session (10)",
    "api-version": "version of the Live API in its address (v1beta, on Vertex AI v1beta1)",
    "model": "model unless the client chooses",
    "voice": "voice unless the client chooses",
    "language": "language unless the client chooses, BCP-47",
    "instructions": "system instruction of every call",
    "greeting": "what the model is told first, so that it speaks first; off for silence",
    "connect-s": "seconds a client may take to connect (20)",
    "idle-s": "seconds of silence that end a call (300)",
    "call-s": "seconds a call may last (3600)",
    "max-calls": "calls at once (50)",
    "media-port": "port of all calls' media on the native engine, UDP and TCP (8081)",
    "public-ip": "address that a 1:1 NAT shows instead of this machine's",
    "media-addresses": "offer only these: interfaces, addresses or networks, comma-separated",
    "peer": "WebRTC engine: native or aiortc (aiortc)",
    "stun-urls": "STUN servers for the aiortc engine, comma-separated (none)",
    "log": "text or json",
    "log-level": "debug, info, warning or error (info)",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is 2 for a setting that cannot be used."""
    arguments = _parser().parse_args(argv)
    try:
        return _run(arguments.run(arguments))
    except ConfigError as error:
        print(f"livegate: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `livegate live --switch help | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(work: Coroutine[Any, Any, int]) -> int:
    """On uvloop: a hundred calls are mostly sockets, timers and TLS, which it does in C."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="livegate", description="A WebRTC media gateway for the Gemini Live API."
    )
    parser.add_argument("--version", action="version", version=f"livegate {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser(
        "serve",
        help="the gateway",
        description="The gateway. Every option has a variable: --idle-s is LIVEGATE_IDLE_S.",
        epilog=(
            "Credentials come from variables only. Gemini Developer API: GEMINI_API_KEY or "
            "GOOGLE_API_KEY. Vertex AI: GOOGLE_GENAI_USE_VERTEXAI=true, GOOGLE_CLOUD_PROJECT, "
            "GOOGLE_CLOUD_LOCATION, and application default credentials. Without them, "
            "and on loopback only, the local Live server answers; --live-url local chooses it."
        ),
    )
    for name, text in _SERVE_OPTIONS.items():
        serve.add_argument(f"--{name}", help=text, metavar=name.rpartition("-")[2].upper())
    serve.add_argument(
        "--open", action="store_true", default=None, help="let anyone who can reach --host call"
    )
    serve.set_defaults(run=_serve)

    live = commands.add_parser(
        "live",
        help="the local Live server by itself",
        description="The local Live server: the service's side of the wire, with no key.",
    )
    live.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    live.add_argument("--port", type=int, default=9090, help="port to listen on (9090)")
    live.add_argument("--tls-cert", type=Path, help="certificate chain, PEM: serve wss://")
    live.add_argument("--tls-key", type=Path, help="its private key, PEM")
    live.add_argument(
        "--tls-self-signed",
        action="store_true",
        help="serve wss:// with a certificate made for the occasion, on loopback",
    )
    live.add_argument("--seed", type=int, default=0, help="of everything that is chosen (0)")
    live.add_argument(
        "--switch",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="set a behaviour of the service; 'help' lists them",
    )
    live.add_argument("--log-level", default="info", help="debug, info, warning or error")
    live.set_defaults(run=_live)
    return parser


async def _serve(arguments: argparse.Namespace) -> int:
    names = [name.replace("-", "_") for name in (*_SERVE_OPTIONS, "open")]
    options = {name: getattr(arguments, name) for name in names}
    config = Config.from_env(os.environ, **options)
    configure_logging(config.log, config.log_level)
    async with contextlib.AsyncExitStack() as stack:
        make_peer = await stack.enter_async_context(_engine(config))
        stand_in = None
        if config.live.url == LOCAL:
            stand_in = await stack.enter_async_context(LocalLiveServer(keep_s=0))
        models = _models_view(config)
        calls = _make_calls(config, models, make_peer, stand_in.url if stand_in else None)
        server = HttpServer(make_app(calls, config.http, models), config.http)
        await server.start()
        stack.push_async_callback(server.stop)
        stack.push_async_callback(calls.drain)
        _say_hello(config, server.url)
        _leave_out_of_collection()
        await _until_stopped()
        print("livegate: stopping", file=sys.stderr)
    return 0


@contextlib.asynccontextmanager
async def _engine(config: Config) -> AsyncIterator[MakePeer]:
    """The WebRTC engine; who asks it for a peer gets one."""
    media, loopback = config.media, is_loopback(config.http.host)
    if media.peer == "aiortc":
        prepare_aiortc(loopback=loopback)
        yield partial(AiortcPeer, stun_urls=media.stun_urls)
        return
    addresses = host_addresses(media.addresses, loopback=loopback)
    if not addresses:
        raise ConfigError("none of this machine's addresses is among LIVEGATE_MEDIA_ADDRESSES")
    engine = NativeEngine(addresses, media.port, public_ip=media.public_ip)
    try:
        await engine.start()
    except OSError as error:
        raise ConfigError(
            f"cannot use the media port {media.port} ({error.strerror}); "
            "choose another: --media-port or LIVEGATE_MEDIA_PORT"
        ) from error
    try:
        yield engine.make_peer
    finally:
        await engine.aclose()


def _make_calls(
    config: Config, models: ModelsView, make_peer: MakePeer, stand_in_url: str | None
) -> Calls:
    dialer = Dialer(config.live, instructions=config.call.instructions, url=stand_in_url)
    chosen = models.default
    defaults = CallSettings(chosen.model or config.live.model, chosen.voice, chosen.language)
    return Calls(config.call, defaults, make_peer, dialer)


def _leave_out_of_collection() -> None:
    """What was loaded stays: the garbage collector need not look through it again and again.

    It would take a fifth of the time of a busy gateway.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


def _models_view(config: Config) -> ModelsView:
    """What clients may choose from.  Raises :exc:`ConfigError` for defaults it does not have."""
    live: LiveKind = config.live.service
    if config.live.url is not None:
        live = "local" if config.live.url == LOCAL else "custom"
    return models_view(
        live=live,
        service=config.live.service,
        model=config.live.model,
        voice=config.live.voice,
        language=config.live.language,
        phrases=examples() if live == "local" else (),
    )


def _say_hello(config: Config, url: str) -> None:
    far_end = {
        LOCAL: "the local Live server: no key, nothing leaves this machine",
        None: "the Gemini Developer API" if config.live.service == "dev" else "Vertex AI",
    }.get(config.live.url, config.live.url)
    print(f"livegate {__version__}\n  page      {url}", file=sys.stderr)
    for address in _other_addresses(config, url):
        print(f"            {address}", file=sys.stderr)
    print(f"  far end   {far_end}", file=sys.stderr)
    print(f"  model     {config.live.model}\nCtrl-C stops.", file=sys.stderr)


def _other_addresses(config: Config, url: str) -> list[str]:
    """Where other devices find a gateway that listens on every address."""
    if config.http.host not in ("0.0.0.0", "::"):
        return []
    port = url.rpartition(":")[2]
    hosts = host_addresses(loopback=False)
    return [f"{config.http.scheme}://{host}:{port}" for host in hosts if not is_loopback(host)]


async def _live(arguments: argparse.Namespace) -> int:
    if "help" in arguments.switch:
        for name, form, default, text in Switches.described():
            print(f"{name}={default}\n    {text} ({form})")
        return 0
    configure_logging("text", arguments.log_level)
    tls = _live_tls(arguments)
    server = LocalLiveServer(
        arguments.host,
        arguments.port,
        tls=tls,
        switches=Switches.parse(arguments.switch),
        seed=arguments.seed,
        keep_s=0,
    )
    try:
        async with server:
            print(f"livegate live: {server.url}\nCtrl-C stops.", file=sys.stderr)
            await _until_stopped()
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {arguments.host}:{arguments.port}: {error.strerror}"
        ) from error
    return 0


def _live_tls(arguments: argparse.Namespace) -> ssl.SSLContext | None:
    if arguments.tls_self_signed:
        return self_signed().server_context()
    if arguments.tls_cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(arguments.tls_cert, arguments.tls_key)
    except OSError as error:
        raise ConfigError(f"--tls-cert and --tls-key cannot be used: {error}") from error
    return context


async def _until_stopped() -> None:
    """Wait for SIGINT or SIGTERM; a second one kills as usual."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stopped.set)
    await stopped.wait()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.remove_signal_handler(name)
