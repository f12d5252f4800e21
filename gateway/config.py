"""Settings: the only reader of the environment.

``Config.from_env(os.environ, **options)`` is called once, by ``cli``.  Options
given on the command line win over the environment, the environment over the
defaults; every option has a variable of the same name (``--idle-s`` is
``LIVEGATE_IDLE_S``).  Credentials keep Google's own variable names.  Each part
of the gateway is handed only the dataclass it needs.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import urlsplit

from gateway.errors import ConfigError

DEFAULT_DEV_MODEL = "gemini-3.8-live"
DEFAULT_VERTEX_MODEL = "gemini-live-2.5-flash-native-audio"
LOCAL = "local"  # the value of LIVEGATE_LIVE_URL that asks for the local Live server

DEFAULT_GREETING = "Greet the caller in one short sentence."
OFF = "off"  # the value of LIVEGATE_GREETING that lets the caller speak first

Service = Literal["dev", "vertex"]
_T = TypeVar("_T", bound=str)


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """The HTTP side: where it listens and whom it answers."""

    host: str = "127.0.0.1"
    port: int = 8080
    origins: tuple[str, ...] = ()
    open_to_all: bool = False
    tls_cert: Path | None = None
    tls_key: Path | None = None

    @property
    def scheme(self) -> str:
        return "https" if self.tls_cert else "http"


@dataclass(frozen=True, slots=True)
class CallConfig:
    """Limits of one call and of all of them together; times in seconds."""

    connect_s: float = 20.0
    idle_s: float = 300.0
    call_s: float = 3600.0
    max_calls: int = 50
    greeting: str = DEFAULT_GREETING
    instructions: str = ""


@dataclass(frozen=True, slots=True)
class MediaConfig:
    """The media side: which engine carries it, and at which addresses.

    The native engine uses one ``port`` for all calls, in UDP and TCP (0: any that
    is free); ``addresses`` narrows down what is offered, by interface name,
    address or network, and ``public_ip`` is what a 1:1 NAT shows instead.
    ``stun_urls`` is for the aiortc engine, which finds ports call by call; empty
    means that no answer ever waits for a server.
    """

    peer: Literal["native", "aiortc"] = "aiortc"
    port: int = 8081
    public_ip: str | None = None
    addresses: tuple[str, ...] = ()
    stun_urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LiveConfig:
    """Where live sessions are opened, as whom, and with which model unless told.

    ``url`` is ``"local"``, a ``ws://``/``wss://`` base address, or ``None`` for
    Google's own hosts.  Secrets do not show in ``repr``.
    """

    service: Service = "dev"
    url: str | None = LOCAL
    model: str = DEFAULT_DEV_MODEL
    voice: str | None = None
    language: str | None = None
    api_key: str | None = field(default=None, repr=False)
    project: str | None = None
    location: str | None = None
    api_version: str | None = None
    connect_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Config:
    http: HttpConfig = field(default_factory=HttpConfig)
    call: CallConfig = field(default_factory=CallConfig)
    media: MediaConfig = field(default_factory=MediaConfig)
    live: LiveConfig = field(default_factory=LiveConfig)
    log: Literal["text", "json"] = "text"
    log_level: str = "info"

    @classmethod
    def from_env(cls, environ: Mapping[str, str], **options: str | bool | None) -> Config:
        """Read and check every setting.

        ``options`` are command-line values by variable name without the prefix,
        in lower case; ``None`` means not given.

        Raises :exc:`ConfigError`, which names the variable and the form expected.
        """
        values = _Values(environ, options)
        http = _http(values)
        return cls(
            http=http,
            call=_call(values),
            media=_media(values),
            live=_live(values, http),
            log=values.choice("LOG", ("text", "json"), "text"),
            log_level=values.choice("LOG_LEVEL", ("debug", "info", "warning", "error"), "info"),
        )


class _Values:
    """Options over environment over defaults, with casts that name the variable."""

    def __init__(self, environ: Mapping[str, str], options: Mapping[str, str | bool | None]):
        self._environ = environ
        self._options = options

    def raw(self, name: str) -> tuple[str, str]:
        """The value and the name to blame it on; an empty value counts as none."""
        option = self._options.get(name.lower())
        if option is not None and option != "":
            return str(option), "--" + name.lower().replace("_", "-")
        return self._environ.get("LIVEGATE_" + name, "").strip(), "LIVEGATE_" + name

    def google(self, *names: str) -> str | None:
        for name in names:
            if value := self._environ.get(name, "").strip():
                return value
        return None

    def text(self, name: str, default: str | None = None) -> str | None:
        return self.raw(name)[0] or default

    def words(self, name: str) -> tuple[str, ...]:
        return tuple(word.strip() for word in self.raw(name)[0].split(",") if word.strip())

    def flag(self, name: str) -> bool:
        value, blame = self.raw(name)
        return _as_flag(value, blame)

    def choice(self, name: str, allowed: tuple[_T, ...], default: _T) -> _T:
        value, blame = self.raw(name)
        if not value:
            return default
        for word in allowed:
            if word == value.lower():
                return word
        raise ConfigError(f"{blame} must be one of {', '.join(allowed)}, not {value!r}")

    def seconds(self, name: str, default: float) -> float:
        value, blame = self.raw(name)
        if not value:
            return default
        try:
            seconds = float(value)
        except ValueError:
            seconds = math.nan
        if not 0 < seconds < math.inf:
            raise ConfigError(f"{blame} must be a number of seconds above 0, not {value!r}")
        return seconds

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        value, blame = self.raw(name)
        if not value:
            return default
        if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
            raise ConfigError(f"{blame} must be a whole number from {low} to {high}, not {value!r}")
        return int(value)

    def file(self, name: str) -> Path | None:
        value, blame = self.raw(name)
        if not value:
            return None
        path = Path(value).expanduser()
        if not path.is_file():
            raise ConfigError(f"{blame} must be a file that exists, not {value!r}")
        return path


def _as_flag(value: str, blame: str) -> bool:
    match value.lower():
        case "" | "0" | "false" | "no" | "off":
            return False
        case "1" | "true" | "yes" | "on":
            return True
        case _:
            raise ConfigError(f"{blame} must be true or false, not {value!r}")


def is_loopback(host: str) -> bool:
    """Whether a listening address can be reached from this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _http(values: _Values) -> HttpConfig:
    host = values.text("HOST") or "127.0.0.1"
    http = HttpConfig(
        host=host,
        port=values.integer("PORT", 8080, 0, 65535),
        origins=values.words("ORIGINS"),
        open_to_all=values.flag("OPEN"),
        tls_cert=values.file("TLS_CERT"),
        tls_key=values.file("TLS_KEY"),
    )
    if (http.tls_cert is None) != (http.tls_key is None):
        raise ConfigError("LIVEGATE_TLS_CERT and LIVEGATE_TLS_KEY must be given together")
    for origin in http.origins:
        _check_origin(origin)
    if not is_loopback(host) and not http.open_to_all:
        raise ConfigError(
            f"LIVEGATE_HOST={host} lets anyone who can reach this machine call at your expense; "
            "add --open (LIVEGATE_OPEN=1) if that is meant"
        )
    return http


def _check_origin(origin: str) -> None:
    try:
        parts = urlsplit(origin)
        _ = parts.port  # a malformed port raises only when it is read
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
        bare = f"{parts.scheme}://{parts.netloc}" == origin and "@" not in parts.netloc
    except ValueError:
        good = bare = False
    if not (good and bare):
        raise ConfigError(
            "LIVEGATE_ORIGINS must be a comma-separated list such as "
            f"https://app.example.com, without paths; {origin!r} is not"
        )


def _media(values: _Values) -> MediaConfig:
    public_ip, blame = values.raw("PUBLIC_IP")
    if public_ip:
        try:
            ipaddress.ip_address(public_ip)
        except ValueError:
            raise ConfigError(f"{blame} must be an IP address, not {public_ip!r}") from None
    return MediaConfig(
        peer=values.choice("PEER", ("native", "aiortc"), "aiortc"),
        port=values.integer("MEDIA_PORT", 8081, 0, 65535),
        public_ip=public_ip or None,
        addresses=values.words("MEDIA_ADDRESSES"),
        stun_urls=values.words("STUN_URLS"),
    )


def _call(values: _Values) -> CallConfig:
    greeting = values.text("GREETING") or DEFAULT_GREETING
    return CallConfig(
        connect_s=values.seconds("CONNECT_S", 20.0),
        idle_s=values.seconds("IDLE_S", 300.0),
        call_s=values.seconds("CALL_S", 3600.0),
        max_calls=values.integer("MAX_CALLS", 50, 1, 100_000),
        greeting="" if greeting.lower() == OFF else greeting,
        instructions=values.text("INSTRUCTIONS") or "",
    )


def _live(values: _Values, http: HttpConfig) -> LiveConfig:
    api_key = values.google("GOOGLE_API_KEY", "GEMINI_API_KEY")
    project = values.google("GOOGLE_CLOUD_PROJECT")
    location = values.google("GOOGLE_CLOUD_LOCATION")
    vertex = _as_flag(values.google("GOOGLE_GENAI_USE_VERTEXAI") or "", "GOOGLE_GENAI_USE_VERTEXAI")
    if vertex and not (project and location):
        raise ConfigError(
            "GOOGLE_GENAI_USE_VERTEXAI needs GOOGLE_CLOUD_PROJECT and GOOGLE_CLOUD_LOCATION "
            "(a region such as us-central1, or global, us, eu)"
        )
    service: Service = "vertex" if vertex else "dev"
    return LiveConfig(
        service=service,
        url=_live_url(values, http, has_credentials=bool(vertex or api_key)),
        model=values.text("MODEL")
        or (DEFAULT_VERTEX_MODEL if service == "vertex" else DEFAULT_DEV_MODEL),
        voice=values.text("VOICE"),
        language=values.text("LANGUAGE"),
        api_key=api_key,
        project=project,
        location=location,
        api_version=values.text("API_VERSION"),
        connect_s=values.seconds("LIVE_CONNECT_S", 10.0),
    )


def _live_url(values: _Values, http: HttpConfig, *, has_credentials: bool) -> str | None:
    """``local``, an address, or ``None`` for Google's own hosts.

    With nothing configured the local server is the far end, but on loopback
    only: nobody should get the stand-in by losing a secret.
    """
    url, blame = values.raw("LIVE_URL")
    if url.lower() == LOCAL:
        return LOCAL
    if url:
        if not _is_websocket_url(url):
            raise ConfigError(f"{blame} must be local, ws://… or wss://…, not {url!r}")
        return url
    if has_credentials:
        return None
    if is_loopback(http.host):
        return LOCAL
    raise ConfigError(
        "no credentials: set GEMINI_API_KEY, or GOOGLE_GENAI_USE_VERTEXAI with "
        "GOOGLE_CLOUD_PROJECT and GOOGLE_CLOUD_LOCATION; "
        "or LIVEGATE_LIVE_URL=local if the local Live server is meant"
    )


def _is_websocket_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("ws", "wss") and bool(parts.hostname)
