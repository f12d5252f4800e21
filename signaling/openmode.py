"""Open mode: who may speak to a gateway that asks for no key.

A browser cannot lie about two headers, and the two together say whether a page
may spend the operator's quota.  ``Host`` is the name the browser believes it is
talking to: a name nobody told the gateway to serve is DNS rebinding (a foreign
page whose name was pointed at this machine).  ``Origin`` is the page that asks:
it must be the gateway's own, or one the operator listed.

Everything here is a value or a pure function; no request object comes in.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from gateway.config import HttpConfig, is_loopback
from gateway.errors import ConfigError

Scheme = Literal["http", "https"]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::([0-9]{0,5}))?")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")


@dataclass(frozen=True, slots=True)
class Authority:
    """``host[:port]`` (RFC 9110 §7.2): lower case, IPv6 without brackets, no last dot."""

    host: str
    port: int | None

    @classmethod
    def parse(cls, text: str) -> Authority | None:
        """``None`` for anything else: userinfo, lists, spaces, odd spellings of an address."""
        found = _AUTHORITY.fullmatch(text)
        if found is None:
            return None
        host = normal_host(found[1])
        port = int(found[2]) if found[2] else None
        if host is None or (port is not None and not 0 < port <= 65535):
            return None
        return cls(host, port)

    def origin(self, scheme: Scheme) -> Origin:
        return Origin(scheme, self.host, self.port or _DEFAULT_PORTS[scheme])


@dataclass(frozen=True, slots=True)
class Origin:
    """A web origin (RFC 6454): scheme, host and port, the port always a number."""

    scheme: Scheme
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Origin | None:
        """``None`` for ``null``, other schemes, paths, userinfo."""
        scheme, separator, rest = text.partition("://")
        authority = Authority.parse(rest)
        if not separator or authority is None:
            return None
        match scheme.lower():
            case "http":
                return authority.origin("http")
            case "https":
                return authority.origin("https")
            case _:
                return None


def normal_host(text: str) -> str | None:
    """One spelling per host, or ``None`` if a browser would not send this one.

    Browsers write IPv4 as four plain numbers; ``127.1`` or ``0x7f000001`` is
    not an address here and, ending in a number, not a name either.
    """
    if text.startswith("["):
        try:
            return str(ipaddress.IPv6Address(text[1:-1]))
        except ValueError:
            return None
    host = text.lower().removesuffix(".")
    labels = host.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels):
        return None
    if labels[-1].isdigit() or re.fullmatch("0x[0-9a-f]*", labels[-1]):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            return None
    return host


class OpenMode:
    """The checks for one configuration; ``scheme`` is what the gateway itself speaks.

    Raises :exc:`~gateway.errors.ConfigError` for a listed origin no browser would send.
    """

    def __init__(self, config: HttpConfig) -> None:
        listening = config.host.strip("[]")
        self.scheme: Scheme = "https" if config.scheme == "https" else "http"
        self._any_address = _is_wildcard(listening)
        self._origins = frozenset(_origins(config.origins))
        self._hosts = {origin.host for origin in self._origins}
        given = normal_host(f"[{listening}]" if ":" in listening else listening)
        if given is not None and not self._any_address:
            self._hosts.add(given)
        if self._any_address or is_loopback(config.host):
            self._hosts.update(_LOOPBACK_NAMES)

    def host_allowed(self, hosts: Sequence[str], target: str) -> bool:
        """Whether the request is for this gateway.

        ``hosts`` are the values of all ``Host`` headers, ``target`` is the
        request target as sent; one with an authority of its own (RFC 9112
        §3.2.2) must name the same as ``Host``.
        """
        if len(hosts) != 1:
            return False
        if not target.startswith("/") and target != "*":
            authority = re.split("[/?#]", target.partition("://")[2], maxsplit=1)[0]
            if Authority.parse(authority) != Authority.parse(hosts[0]):
                return False
        authority = Authority.parse(hosts[0])
        if authority is None:
            return False
        # An address in Host cannot be a rebound name: the browser was given the
        # address itself.  Which of this machine's addresses, NAT may hide from us.
        return authority.host in self._hosts or (self._any_address and _is_address(authority.host))

    def origin_allowed(self, origins: Sequence[str], host: str) -> bool:
        """Whether the page that asks may; ``host`` is a ``Host`` that was allowed.

        ``origins`` are the values of all ``Origin`` headers.  None at all is a
        request that no browser makes for another page: a program, or a plain GET.
        """
        if not origins:
            return True
        origin = Origin.parse(origins[0]) if len(origins) == 1 else None
        return origin is not None and (origin == self._own(host) or origin in self._origins)

    def base_url(self, host: str) -> str:
        """Scheme and authority as the client used them; ``host`` was allowed.

        Behind a proxy that ends TLS the listed origin knows the outer scheme.
        """
        own = self._own(host)
        outer: Scheme = "http" if self.scheme == "https" else "https"
        authority = Authority.parse(host)
        if authority is not None and own not in self._origins:
            if authority.origin(outer) in self._origins:
                return f"{outer}://{host}"
        return f"{self.scheme}://{host}"

    def _own(self, host: str) -> Origin | None:
        authority = Authority.parse(host)
        return authority.origin(self.scheme) if authority else None


def _origins(texts: Iterable[str]) -> Iterable[Origin]:
    for text in texts:
        origin = Origin.parse(text)
        if origin is None:
            raise ConfigError(
                "--origins (LIVEGATE_ORIGINS) must be a comma-separated list such as "
                f"https://app.example.com, international names in their xn-- form; {text!r} is not"
            )
        yield origin


def _is_wildcard(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
