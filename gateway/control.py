"""What a client may say on the data channel: read and checked here only.

Every message becomes a value or a :exc:`BadMessage` that names what is wrong
with it, without repeating the client's words.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from gateway.errors import GatewayError

PROTOCOL = 1
MAX_MESSAGE_BYTES = 60_000  # with what an event adds, still below 64 KiB on its way back
MAX_TEXT_CHARS = 32_000


class BadMessage(GatewayError):
    """A message that is not part of the protocol; ``code`` is for programs."""

    def __init__(self, message: str, code: str = "bad_message") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Hello:
    protocol: int
    after_seq: int


@dataclass(frozen=True, slots=True)
class InputText:
    text: str


@dataclass(frozen=True, slots=True)
class Interrupt:
    pass


ClientMessage = Hello | InputText | Interrupt


def parse_message(data: str | bytes) -> ClientMessage:
    """Read one data channel message.  Raises :exc:`BadMessage`."""
    if isinstance(data, bytes):
        raise BadMessage("binary messages have no meaning here; send JSON text")
    if len(data.encode("utf-8", "surrogatepass")) > MAX_MESSAGE_BYTES:
        raise BadMessage(
            f"a message may have {MAX_MESSAGE_BYTES} bytes at most", "message_too_large"
        )
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError):
        raise BadMessage("the message is not JSON") from None
    if not isinstance(fields, dict):
        raise BadMessage("the message is not a JSON object")
    match fields.get("type"):
        case "hello":
            return _hello(fields)
        case "input.text":
            return _input_text(fields)
        case "interrupt":
            return Interrupt()
        case str():
            raise BadMessage("the message has a type this protocol does not know")
        case _:
            raise BadMessage("the message has no type")


def _hello(fields: dict[str, Any]) -> Hello:
    protocol = _whole_number(fields, "protocol", PROTOCOL)
    if protocol != PROTOCOL:
        raise BadMessage(f"hello.protocol must be {PROTOCOL}")
    return Hello(protocol=protocol, after_seq=_whole_number(fields, "after_seq", 0))


def _input_text(fields: dict[str, Any]) -> InputText:
    text = fields.get("text")
    if not isinstance(text, str) or not text.strip():
        raise BadMessage("input.text.text must be a string that says something")
    if len(text) > MAX_TEXT_CHARS:
        raise BadMessage(f"input.text.text may have {MAX_TEXT_CHARS} characters at most")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadMessage("input.text.text has half of a surrogate pair") from None
    return InputText(text)


def _whole_number(fields: dict[str, Any], name: str, default: int) -> int:
    value = fields.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise BadMessage(f"hello.{name} must be a whole number")
    return value
