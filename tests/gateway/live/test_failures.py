"""What the operating system and TLS say when nobody answers, in words."""

from __future__ import annotations

import errno
import socket
import ssl

import pytest

from gateway.live.failures import unreachable

pytestmark = pytest.mark.unit


def _untrusted() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "self-signed certificate."
    return error


def _tls(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, "tls")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            _untrusted(),
            "The certificate of h:1 is not trusted: self-signed certificate. "
            "If it is meant to be, name its authority's file in SSL_CERT_FILE.",
        ),
        (_tls("WRONG_VERSION_NUMBER"), "h:1 does not speak TLS; is it a ws:// address?"),
        (_tls("TLSV1_ALERT_DECODE_ERROR"), "TLS with h:1 failed: tlsv1 alert decode error."),
        (
            socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
            "The name h:1 cannot be resolved: Name or service not known.",
        ),
        (
            ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('10.0.0.1', 1)"),
            "Nothing listens at h:1: the connection was refused.",
        ),
        (ConnectionResetError(), "h:1 closed the connection before it was a WebSocket."),
        (EOFError(), "h:1 closed the connection before it was a WebSocket."),
        (OSError(errno.ENETUNREACH, "x"), "h:1 cannot be reached: Network is unreachable."),
        (OSError("Multiple exceptions: a, b"), "h:1 cannot be reached: Multiple exceptions: a, b."),
        (ValueError("x"), "h:1 did not open a WebSocket: ValueError."),
    ],
)
def test_a_failure_is_said_in_words(error: Exception, words: str) -> None:
    assert str(unreachable("h:1", error)) == words
