"""Why the service could not be reached: what the operating system and TLS said, in words.

The host is named, the address is not: a base URL may carry a key in its query.
"""

from __future__ import annotations

import os
import socket
import ssl

from gateway.errors import LiveUnreachable


def unreachable(host: str, error: Exception) -> LiveUnreachable:
    """The error to raise when dialling ``host`` failed with ``error``."""
    return LiveUnreachable(_words(host, error))


def _words(host: str, error: Exception) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return (
                f"The certificate of {host} is not trusted: {error.verify_message.rstrip('.')}. "
                "If it is meant to be, name its authority's file in SSL_CERT_FILE."
            )
        case ssl.SSLError(reason="WRONG_VERSION_NUMBER" | "RECORD_LAYER_FAILURE"):
            return f"{host} does not speak TLS; is it a ws:// address?"
        case ssl.SSLError():
            reason = (error.reason or "no reason given").replace("_", " ").lower()
            return f"TLS with {host} failed: {reason}."
        case socket.gaierror():
            return f"The name {host} cannot be resolved: {error.strerror}."
        case ConnectionRefusedError():
            return f"Nothing listens at {host}: the connection was refused."
        case ConnectionResetError() | BrokenPipeError() | EOFError():
            return f"{host} closed the connection before it was a WebSocket."
        case OSError(errno=int() as number):
            return f"{host} cannot be reached: {os.strerror(number)}."
        case OSError():  # several addresses were tried, each with an error of its own
            return f"{host} cannot be reached: {error}."
        case _:
            return f"{host} did not open a WebSocket: {type(error).__name__}."
