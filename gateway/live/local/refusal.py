"""How the service says no: it has no error message, it closes with a code and a text."""

from __future__ import annotations

from gateway.errors import ProtocolError

REASON_BYTES = 123  # what a WebSocket close frame has room for (RFC 6455 section 5.5)

INVALID_DATA = 1007
POLICY = 1008
INTERNAL = 1011

INVALID_ARGUMENT = "Request contains an invalid argument."
PRECONDITION = "Precondition check failed."
NOT_FOUND = "Requested entity was not found."


class Refusal(ProtocolError):
    """The client broke the protocol: close with ``code`` and ``reason``.

    ``reason`` is cut as the service's reasons are, at 123 bytes and between characters.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = cut(reason)


def cut(reason: str) -> str:
    """``reason`` in at most 123 bytes of UTF-8."""
    return reason.encode(errors="replace")[:REASON_BYTES].decode(errors="ignore")


def invalid_argument() -> Refusal:
    """The service's answer to most things that are spelt right and cannot be."""
    return Refusal(INVALID_DATA, INVALID_ARGUMENT)
