"""Values to JSON text and back, the client's side of the wire.

:func:`encode_client` is here; :func:`decode_server`, the larger half, is in
``decoder``.  Reading is tolerant, writing is strict: lowerCamelCase, standard
base64, one sub-field of ``realtimeInput`` per message.
"""

from __future__ import annotations

import json
from binascii import b2a_base64
from typing import Any

from gateway.errors import LocalProtocolError
from gateway.live.decoder import decode_server
from gateway.live.messages import (
    INPUT_RATE_HZ,
    ActivityEnd,
    ActivityStart,
    AudioStreamEnd,
    BlobPart,
    ClientContent,
    ClientMessage,
    Content,
    FunctionResponse,
    RealtimeAudio,
    RealtimeText,
    RealtimeVideo,
    Setup,
    TextPart,
    ToolResponse,
)

__all__ = ["decode_server", "encode_audio", "encode_client"]

_AUDIO = b'{"realtimeInput":{"audio":{"mimeType":"audio/pcm;rate=%d","data":"%b"}}}'


def encode_client(message: ClientMessage) -> str:
    """The text frame that says ``message``.

    Raises :exc:`LocalProtocolError` for what JSON or the service cannot take.
    """
    if isinstance(message, RealtimeAudio):
        return encode_audio(message.pcm, message.rate_hz).decode("ascii")
    try:
        text = json.dumps(
            _client_fields(message), ensure_ascii=False, separators=(",", ":"), allow_nan=False
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise LocalProtocolError(f"{type(message).__name__} does not fit into JSON.") from error
    # Half a surrogate pair in somebody's text has no UTF-8: it becomes "?".
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def encode_audio(pcm: bytes, rate_hz: int = INPUT_RATE_HZ) -> bytes:
    """The text frame of :class:`RealtimeAudio` in UTF-8, joined from its parts.

    It is sent 50 times a second in every call.
    Raises :exc:`LocalProtocolError` if ``pcm`` is empty or ends in half a sample.
    """
    if not pcm or len(pcm) % 2:
        raise LocalProtocolError(f"{len(pcm)} bytes are not s16le samples.")
    return _AUDIO % (rate_hz, b2a_base64(pcm, newline=False))


def _client_fields(message: ClientMessage) -> dict[str, Any]:
    match message:
        case Setup(fields):
            return {"setup": fields}
        case ClientContent(turns, turn_complete):
            content: dict[str, Any] = {"turnComplete": turn_complete}
            if turns:
                content = {"turns": [_content(turn) for turn in turns], **content}
            return {"clientContent": content}
        case RealtimeAudio(pcm, rate_hz):
            return _realtime("audio", _blob(pcm, f"audio/pcm;rate={rate_hz}"))
        case RealtimeVideo(data, mime_type):
            return _realtime("video", _blob(data, mime_type))
        case RealtimeText(text):
            return _realtime("text", text)
        case AudioStreamEnd():
            return _realtime("audioStreamEnd", True)
        case ActivityStart():
            return _realtime("activityStart", {})
        case ActivityEnd():
            return _realtime("activityEnd", {})
        case ToolResponse(responses):
            answers = [_function_response(response) for response in responses]
            return {"toolResponse": {"functionResponses": answers}}


def _realtime(name: str, value: object) -> dict[str, Any]:
    return {"realtimeInput": {name: value}}


def _blob(data: bytes, mime_type: str) -> dict[str, str]:
    return {"mimeType": mime_type, "data": b2a_base64(data, newline=False).decode("ascii")}


def _content(turn: Content) -> dict[str, Any]:
    # A turn with no parts or a role of its own invention costs the whole session.
    if turn.role not in ("user", "model") or not turn.parts:
        raise LocalProtocolError("A turn needs the role user or model and at least one part.")
    return {"role": turn.role, "parts": [_part(part) for part in turn.parts]}


def _part(part: TextPart | BlobPart) -> dict[str, Any]:
    match part:
        case TextPart(text):
            return {"text": text}
        case BlobPart(data, mime_type):
            return {"inlineData": _blob(data, mime_type)}


def _function_response(response: FunctionResponse) -> dict[str, Any]:
    fields = {
        "id": response.id,
        "name": response.name,
        "response": response.response,
        "scheduling": response.scheduling,
        "willContinue": response.will_continue,
    }
    return {name: value for name, value in fields.items() if value is not None}
