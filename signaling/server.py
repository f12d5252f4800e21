"""Sockets for the application: listen, with TLS if asked, and stop gracefully.

The one idea beyond aiohttp's own runner: what fails before a request reaches
the application (a line that is not HTTP, a method nobody knows, an odd
``Expect``) is answered by a problem document with a request id like all else,
and is not logged with the bytes the client sent.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import ssl

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from gateway.config import HttpConfig
from gateway.errors import ConfigError
from signaling.problems import ROUTE, Problem, problem_of, request_id, respond

logger = logging.getLogger(__name__)

KEEPALIVE_S = 75.0
LINGER_S = 5.0  # how long the rest of a refused body is read, so that the answer arrives
TLS_S = 10.0
STOP_S = 5.0


class HttpServer:
    """One listening application; :meth:`start`, then :meth:`stop`.

    ``keepalive_s`` bounds how long a connection may be idle, and how long the
    head of a request may take to arrive.
    """

    def __init__(
        self, app: web.Application, config: HttpConfig, *, keepalive_s: float = KEEPALIVE_S
    ) -> None:
        self._runner = web.AppRunner(app, shutdown_timeout=STOP_S)
        self._config = config
        self._keepalive_s = keepalive_s
        self._listener: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen.

        Raises :exc:`~gateway.errors.ConfigError` naming the setting when the
        address is taken or not ours, or the certificate cannot be used.
        """
        config = self._config
        tls = _tls(config)
        await self._runner.setup()
        manager = self._runner.server
        assert manager is not None, "setup() makes the server"
        loop = asyncio.get_running_loop()
        try:
            self._listener = await loop.create_server(
                lambda: _Connection(
                    manager,
                    loop=loop,
                    keepalive_timeout=self._keepalive_s,
                    lingering_time=LINGER_S,
                    auto_decompress=False,
                    access_log_class=_AccessLog,
                    access_log=logger,
                ),
                config.host.strip("[]"),
                config.port,
                ssl=tls,
                ssl_handshake_timeout=TLS_S if tls else None,
                ssl_shutdown_timeout=TLS_S if tls else None,
            )
        except OSError as error:
            await self._runner.cleanup()
            raise _cannot_listen(config, error) from error

    @property
    def port(self) -> int:
        """The port in use, also when any free one was asked for."""
        assert self._listener is not None, "the server has been started"
        port = self._listener.sockets[0].getsockname()[1]
        assert isinstance(port, int), "a TCP address has a port"
        return port

    @property
    def url(self) -> str:
        """Where this machine reaches the server, such as ``http://127.0.0.1:8080``."""
        host = self._config.host.strip("[]")
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        return f"{self._config.scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"

    async def stop(self) -> None:
        """Take no new connections, let running requests finish (5 s), close the rest."""
        if self._listener is not None:
            self._listener.close()
        await self._runner.cleanup()
        if self._listener is not None:
            await self._listener.wait_closed()


class _Connection(web.RequestHandler):
    """aiohttp's connection, with our answers where aiohttp would make its own."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What could not be parsed (``status`` 400), or a failure outside the application."""
        if request.writer.output_size > 0:
            raise ConnectionError("the response has begun; only closing tells the client")
        if status < 500:
            logger.debug("request %s is not HTTP: %s", request_id(request), type(exc).__name__)
            return respond(Problem("bad_request", "This is not an HTTP request."), request)
        logger.error("request %s failed: a bug", request_id(request), exc_info=exc)
        return respond(problem_of(RuntimeError()), request)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        if isinstance(resp, web.HTTPException):
            resp = respond(problem_of(resp), request)
        return await super().finish_response(request, resp, start_time)


class _AccessLog(AbstractAccessLogger):
    """One line per request: the route rather than the path, and never a query."""

    @property
    def enabled(self) -> bool:
        return self.logger.isEnabledFor(logging.DEBUG)

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        self.logger.debug(
            "%s %s %d in %.0f ms (request %s)",
            request.method,
            request.get(ROUTE, "-"),
            response.status,
            time * 1000,
            request_id(request),
        )


def _tls(config: HttpConfig) -> ssl.SSLContext | None:
    if config.tls_cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)

    def no_password() -> str:
        raise ConfigError(
            "--tls-key (LIVEGATE_TLS_KEY) is encrypted; give a key without a password"
        )

    try:
        context.load_cert_chain(config.tls_cert, config.tls_key, no_password)
    except OSError as error:  # ssl.SSLError is one
        reason = getattr(error, "reason", None) or error.strerror or type(error).__name__
        raise ConfigError(
            f"--tls-cert (LIVEGATE_TLS_CERT={config.tls_cert}) and --tls-key "
            f"(LIVEGATE_TLS_KEY={config.tls_key}) must be a certificate chain and its own private "
            f"key in PEM form ({reason})"
        ) from error
    return context


def _cannot_listen(config: HttpConfig, error: OSError) -> ConfigError:
    match error.errno:
        case errno.EADDRINUSE:
            text = (
                f"port {config.port} on {config.host} is taken by another program; "
                "stop it or choose another with --port (LIVEGATE_PORT)"
            )
        case errno.EACCES:
            text = (
                f"port {config.port} is not ours to listen on; "
                "choose one above 1023 with --port (LIVEGATE_PORT)"
            )
        case _:
            text = (
                f"--host (LIVEGATE_HOST={config.host}) must be an address of this machine, such as "
                f"127.0.0.1 or 0.0.0.0 ({error.strerror})"
            )
    return ConfigError(text)
