"""Who is let in, as tables: what a browser would send, and what an attacker would."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import HttpConfig
from gateway.errors import ConfigError
from signaling.openmode import Authority, OpenMode, Origin, normal_host

pytestmark = pytest.mark.unit

LOOPBACK = OpenMode(HttpConfig())
WILDCARD = OpenMode(HttpConfig(host="0.0.0.0", open_to_all=True))
LAN = OpenMode(HttpConfig(host="192.168.1.5", open_to_all=True))
NAMED = OpenMode(HttpConfig(host="voice.example.net", open_to_all=True))
LISTED = OpenMode(
    HttpConfig(origins=("https://App.Example.com", "http://partner.example:3000", "https://[::5]"))
)
TLS = OpenMode(HttpConfig(tls_cert="cert.pem", tls_key="key.pem"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8080",
        "LOCALHOST:8080",
        "LocalHost.",
        "localhost.:8080",
        "localhost:",
        "localhost:1",
        "127.0.0.1",
        "127.0.0.1.",
        "127.0.0.1:65535",
        "[::1]",
        "[::1]:8080",
        "[0:0:0:0:0:0:0:1]:8080",
    ],
)
def test_loopback_names_are_served_with_any_port(host: str) -> None:
    assert LOOPBACK.host_allowed([host], "/")
    assert WILDCARD.host_allowed([host], "/")


@pytest.mark.parametrize(
    "host",
    [
        "",
        " ",
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "localhostevil",
        "evil-localhost",
        "xlocalhost:8080",
        "foo.localhost",
        "127.0.0.1.nip.io",
        "127.1",
        "127.0.0.01",
        "0127.0.0.1",
        "0x7f.0.0.1",
        "0x7f000001",
        "2130706433",
        "127.0.0.1:0",
        "localhost:65536",
        "localhost:+80",
        "localhost:-1",
        "localhost:8080:8080",
        "localhost: 8080",
        " localhost",
        "localhost ",
        "localhost,evil.example",
        "localhost/evil",
        "localhost#",
        "localhost?x",
        "localhost\\evil",
        "user@localhost",
        "localhost@evil.example",
        "user:pass@localhost:8080",
        "localhost..",
        ".localhost",
        "[::1",
        "::1",
        "[::1]]",
        "[::1]evil",
        "[::1%25lo]",
        "[127.0.0.1]",
        "[localhost]",
        "[]",
        "lоcalhost",  # noqa: RUF001 - a Cyrillic o
        "localhost\x00",
        "１２７.0.0.1",  # noqa: RUF001 - full-width digits
        "localhost:８０",  # noqa: RUF001
        "192.168.1.5",
        "0.0.0.0",
        "*",
        "%6cocalhost",
    ],
)
def test_another_host_is_refused_on_loopback(host: str) -> None:
    assert not LOOPBACK.host_allowed([host], "/")


@pytest.mark.parametrize("hosts", [[], ["localhost", "localhost"], ["localhost", "evil.example"]])
def test_there_is_exactly_one_host(hosts: list[str]) -> None:
    assert not LOOPBACK.host_allowed(hosts, "/")


@pytest.mark.parametrize(
    ("target", "allowed"),
    [
        ("/", True),
        ("*", True),
        ("//evil.example/", True),  # a path, however odd
        ("/http://evil.example/", True),
        ("http://localhost:8080/", True),
        ("http://LOCALHOST:8080/v1/calls?x=1", True),
        ("http://localhost:8080?x=1", True),
        ("http://evil.example/", False),
        ("http://localhost:9/", False),
        ("http://user@localhost:8080/", False),
        ("http://localhost:8080@evil.example/", False),
        ("http:///", False),
        ("localhost:8080", False),
        ("evil.example:443", False),
        ("", False),
    ],
)
def test_a_target_with_an_authority_names_the_same_host(target: str, allowed: bool) -> None:
    assert LOOPBACK.host_allowed(["localhost:8080"], target) is allowed


@pytest.mark.parametrize(
    ("mode", "host", "allowed"),
    [
        (LAN, "192.168.1.5", True),
        (LAN, "192.168.1.5:9000", True),
        (LAN, "192.168.1.6", False),
        (LAN, "localhost", False),
        (LAN, "127.0.0.1", False),
        (NAMED, "voice.example.net", True),
        (NAMED, "VOICE.example.net.:8080", True),
        (NAMED, "example.net", False),
        (NAMED, "a.voice.example.net", False),
        (NAMED, "localhost", False),
        (WILDCARD, "192.168.1.5:8080", True),
        (WILDCARD, "[2001:db8::1]:8080", True),
        (WILDCARD, "voice.example.net", False),
        (WILDCARD, "192.168.1.5.evil.example", False),
        (LISTED, "app.example.com", True),
        (LISTED, "app.example.com:8443", True),
        (LISTED, "partner.example", True),
        (LISTED, "[::5]", True),
        (LISTED, "localhost:8080", True),
        (LISTED, "example.com", False),
        (LISTED, "evil.example.com", False),
    ],
)
def test_the_host_given_and_listed_names_are_served(
    mode: OpenMode, host: str, allowed: bool
) -> None:
    assert mode.host_allowed([host], "/") is allowed


@pytest.mark.parametrize("host", ["[::1]", "::1", "::", "localhost", "127.0.0.2"])
def test_listening_on_loopback_may_be_spelled_in_many_ways(host: str) -> None:
    mode = OpenMode(HttpConfig(host=host))
    assert mode.host_allowed(["localhost:8080"], "/")
    assert mode.host_allowed(["[::1]:8080"], "/")
    assert not mode.host_allowed(["evil.example"], "/")


@pytest.mark.parametrize(
    ("mode", "host", "origin", "allowed"),
    [
        (LOOPBACK, "localhost:8080", "http://localhost:8080", True),
        (LOOPBACK, "LOCALHOST:8080", "http://localhost:8080", True),
        (LOOPBACK, "localhost", "http://localhost", True),
        (LOOPBACK, "localhost:80", "http://localhost", True),
        (LOOPBACK, "localhost", "http://localhost:80", True),
        (LOOPBACK, "[::1]:8080", "http://[::1]:8080", True),
        (LOOPBACK, "localhost:8080", "http://localhost:3000", False),
        (LOOPBACK, "localhost:8080", "http://localhost", False),
        (LOOPBACK, "localhost:8080", "https://localhost:8080", False),
        (LOOPBACK, "localhost:8080", "http://127.0.0.1:8080", False),
        (LOOPBACK, "localhost:8080", "http://evil.example", False),
        (LOOPBACK, "localhost:8080", "http://localhost:8080.evil.example", False),
        (LOOPBACK, "localhost:8080", "http://localhost:8080@evil.example", False),
        (LOOPBACK, "localhost:8080", "http://user@localhost:8080", False),
        (LOOPBACK, "localhost:8080", "http://localhost:8080/", False),
        (LOOPBACK, "localhost:8080", "http://localhost:8080/evil", False),
        (LOOPBACK, "localhost:8080", "http://localhost:8080?", False),
        (LOOPBACK, "localhost:8080", "http://localhost:8080 ", False),
        (LOOPBACK, "localhost:8080", "http://localhost:8080 http://evil.example", False),
        (LOOPBACK, "localhost:8080", "http:localhost:8080", False),
        (LOOPBACK, "localhost:8080", "//localhost:8080", False),
        (LOOPBACK, "localhost:8080", "localhost:8080", False),
        (LOOPBACK, "localhost:8080", "ws://localhost:8080", False),
        (LOOPBACK, "localhost:8080", "file://", False),
        (LOOPBACK, "localhost:8080", "chrome-extension://abcdef", False),
        (LOOPBACK, "localhost:8080", "null", False),
        (LOOPBACK, "localhost:8080", "NULL", False),
        (LOOPBACK, "localhost:8080", "*", False),
        (LOOPBACK, "localhost:8080", "", False),
        (TLS, "localhost:8080", "https://localhost:8080", True),
        (TLS, "localhost", "https://localhost:443", True),
        (TLS, "localhost:8080", "http://localhost:8080", False),
        (TLS, "localhost", "http://localhost", False),
        (LISTED, "localhost:8080", "https://app.example.com", True),
        (LISTED, "localhost:8080", "https://app.example.com:443", True),
        (LISTED, "localhost:8080", "HTTPS://APP.EXAMPLE.COM", True),
        (LISTED, "localhost:8080", "http://app.example.com", False),
        (LISTED, "localhost:8080", "https://app.example.com:8443", False),
        (LISTED, "localhost:8080", "https://evil.app.example.com", False),
        (LISTED, "localhost:8080", "https://app.example.com.evil.example", False),
        (LISTED, "localhost:8080", "http://partner.example:3000", True),
        (LISTED, "localhost:8080", "http://partner.example", False),
        (LISTED, "localhost:8080", "http://localhost:8080", True),
    ],
)
def test_a_page_may_call_its_own_host_or_must_be_listed(
    mode: OpenMode, host: str, origin: str, allowed: bool
) -> None:
    assert mode.origin_allowed([origin], host) is allowed


def test_a_request_without_an_origin_is_no_page_and_two_origins_are_none() -> None:
    assert LOOPBACK.origin_allowed([], "localhost:8080")
    assert not LOOPBACK.origin_allowed(["http://localhost:8080"] * 2, "localhost:8080")


def test_a_listed_origin_that_no_browser_would_send_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match=r"--origins \(LIVEGATE_ORIGINS\).*bücher"):
        OpenMode(HttpConfig(origins=("https://bücher.example",)))


@pytest.mark.parametrize(
    ("mode", "host", "url"),
    [
        (LOOPBACK, "localhost:8080", "http://localhost:8080"),
        (LOOPBACK, "[::1]:8080", "http://[::1]:8080"),
        (TLS, "localhost", "https://localhost"),
        (LISTED, "app.example.com", "https://app.example.com"),
        (LISTED, "partner.example:3000", "http://partner.example:3000"),
        (LISTED, "app.example.com:8080", "http://app.example.com:8080"),
    ],
)
def test_the_address_of_a_call_is_on_the_host_the_client_used(
    mode: OpenMode, host: str, url: str
) -> None:
    assert mode.base_url(host) == url


@given(st.text(max_size=40))
def test_any_text_is_an_authority_or_none(text: str) -> None:
    authority = Authority.parse(text)
    if authority is not None:
        host = f"[{authority.host}]" if ":" in authority.host else authority.host
        assert Authority.parse(f"{host}:{authority.port}" if authority.port else host) == authority
        assert "@" not in host and "/" not in host and host == host.lower()


@given(st.text(max_size=40))
def test_any_text_is_an_origin_or_none(text: str) -> None:
    assert Origin.parse(text) is None or text.lower().startswith(("http://", "https://"))


@given(st.ip_addresses())
def test_every_address_has_one_spelling(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    text = f"[{address.exploded}]" if address.version == 6 else str(address)
    assert normal_host(text) == str(address)
    assert WILDCARD.host_allowed([text], "/")
