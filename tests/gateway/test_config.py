"""Settings: options over environment over defaults, and errors that name the variable."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.config import Config, is_loopback
from gateway.errors import ConfigError

pytestmark = pytest.mark.unit

VERTEX = {
    "GOOGLE_GENAI_USE_VERTEXAI": "true",
    "GOOGLE_CLOUD_PROJECT": "p",
    "GOOGLE_CLOUD_LOCATION": "us-central1",
}


def test_with_nothing_set_the_local_server_is_the_far_end() -> None:
    config = Config.from_env({})
    assert config.live.url == "local"
    assert config.http.host == "127.0.0.1"
    assert config.http.port == 8080
    assert config.call.greeting


def test_a_key_means_the_developer_api() -> None:
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY"):
        live = Config.from_env({name: "secret-key"}).live
        assert (live.service, live.url, live.api_key) == ("dev", None, "secret-key")


def test_google_api_key_wins_over_gemini_api_key_as_in_the_sdk() -> None:
    live = Config.from_env({"GEMINI_API_KEY": "a", "GOOGLE_API_KEY": "b"}).live
    assert live.api_key == "b"


def test_vertex_settings_mean_vertex() -> None:
    live = Config.from_env(VERTEX).live
    assert (live.service, live.url, live.project, live.location) == (
        "vertex",
        None,
        "p",
        "us-central1",
    )


def test_local_can_be_asked_for_in_spite_of_a_key() -> None:
    assert Config.from_env({"GEMINI_API_KEY": "k", "LIVEGATE_LIVE_URL": "local"}).live.url == (
        "local"
    )


def test_secrets_do_not_show() -> None:
    assert "secret-key" not in repr(Config.from_env({"GEMINI_API_KEY": "secret-key"}))


def test_options_win_over_the_environment() -> None:
    config = Config.from_env({"LIVEGATE_PORT": "1", "LIVEGATE_IDLE_S": "5"}, port="2", idle_s=None)
    assert config.http.port == 2
    assert config.call.idle_s == 5.0


def test_the_greeting_can_be_switched_off() -> None:
    assert Config.from_env({"LIVEGATE_GREETING": "off"}).call.greeting == ""


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"LIVEGATE_PORT": "http"}, "LIVEGATE_PORT must be a whole number from 0 to 65535"),
        ({"LIVEGATE_PORT": "65536"}, "LIVEGATE_PORT must be"),
        ({"LIVEGATE_PORT": "٨٠"}, "LIVEGATE_PORT must be"),
        ({"LIVEGATE_IDLE_S": "soon"}, "LIVEGATE_IDLE_S must be a number of seconds"),
        ({"LIVEGATE_IDLE_S": "0"}, "LIVEGATE_IDLE_S must be"),
        ({"LIVEGATE_CALL_S": "nan"}, "LIVEGATE_CALL_S must be"),
        ({"LIVEGATE_CALL_S": "inf"}, "LIVEGATE_CALL_S must be"),
        ({"LIVEGATE_LOG": "xml"}, "LIVEGATE_LOG must be one of text, json"),
        ({"LIVEGATE_OPEN": "maybe"}, "LIVEGATE_OPEN must be true or false"),
        ({"LIVEGATE_LIVE_URL": "http://x"}, "LIVEGATE_LIVE_URL must be local, ws"),
        ({"LIVEGATE_LIVE_URL": "wss://"}, "LIVEGATE_LIVE_URL must be local, ws"),
        ({"LIVEGATE_LIVE_URL": "ws://[::1"}, "LIVEGATE_LIVE_URL must be local, ws"),
        ({"LIVEGATE_TLS_CERT": "/nowhere/cert.pem"}, "LIVEGATE_TLS_CERT must be a file"),
        ({"LIVEGATE_TLS_CERT": __file__}, "LIVEGATE_TLS_CERT and LIVEGATE_TLS_KEY"),
        ({"LIVEGATE_ORIGINS": "app.example.com"}, "LIVEGATE_ORIGINS must be"),
        ({"LIVEGATE_ORIGINS": "https://a.example/path"}, "LIVEGATE_ORIGINS must be"),
        ({"LIVEGATE_ORIGINS": "https://u@a.example"}, "LIVEGATE_ORIGINS must be"),
        ({"LIVEGATE_ORIGINS": "https://a.example:port"}, "LIVEGATE_ORIGINS must be"),
        ({"LIVEGATE_HOST": "0.0.0.0"}, "LIVEGATE_HOST=0.0.0.0 lets anyone"),
        ({"LIVEGATE_HOST": "0.0.0.0", "LIVEGATE_OPEN": "1"}, "no credentials: set GEMINI_API_KEY"),
        ({"GOOGLE_GENAI_USE_VERTEXAI": "1"}, "needs GOOGLE_CLOUD_PROJECT"),
        ({"GOOGLE_GENAI_USE_VERTEXAI": "perhaps"}, "GOOGLE_GENAI_USE_VERTEXAI must be"),
        ({"LIVEGATE_MAX_CALLS": "0"}, "LIVEGATE_MAX_CALLS must be"),
    ],
)
def test_what_cannot_be_used_is_named(environ: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        Config.from_env(environ)


def test_a_wrong_option_is_named_as_the_option() -> None:
    with pytest.raises(ConfigError, match="--port must be"):
        Config.from_env({}, port="x")


def test_loopback_is_told_from_the_rest() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "localhost", "LOCALHOST", "::1", "[::1]")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "example.com", "")))


def test_the_example_file_names_every_variable_the_program_reads() -> None:
    root = Path(__file__).parents[2]
    source = (root / "gateway" / "config.py").read_text()
    called = re.findall(
        r'values\.(?:text|integer|seconds|words|flag|file|raw|choice)\(\s*"(\w+)"', source
    )
    read = {f"LIVEGATE_{name}" for name in called}
    read |= set(re.findall(r'"(G(?:OOGLE|EMINI)_\w+)"', source))
    example = (root / ".env.example").read_text()
    assert read == set(re.findall(r"^#? ?([A-Z][A-Z_]+)=", example, re.MULTILINE))
