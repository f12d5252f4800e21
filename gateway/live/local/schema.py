"""The service's side of the codec: what a client's frame says, or why it cannot.

``tables`` is the shape of every client message, ``protojson`` walks a frame along it,
and :func:`decode_client` makes of it the vocabulary of ``gateway.live.messages``.
Checked here is what one message shows by itself; whether it may come now, and whether
this model takes it, is for ``rules`` and ``dialogue``.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from gateway.live.local.protojson import read
from gateway.live.local.refusal import invalid_argument
from gateway.live.local.tables import Service
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

PICTURE_TYPES = frozenset(("image/jpeg", "image/png", "image/webp"))
RATES_HZ = range(8_000, 192_001)  # of audio that can be resampled


@dataclass(frozen=True, slots=True)
class ContextUpdate:
    """``contextUpdate``: new instructions, new tools; ``None`` leaves them as they are.

    ``tools`` is the list of ``setup.tools`` as it was read; empty clears them.
    """

    instructions: str | None = None
    tools: list[dict[str, Any]] | None = None


Said: TypeAlias = ClientMessage | ContextUpdate


def decode_client(
    frame: str | bytes,
    service: Service = "dev",
    *,
    strict: bool = True,
    absent: Set[str] = frozenset(),
    several: bool = True,
) -> tuple[Said, ...]:
    """Everything that one client frame says, in the order to act on it.

    One ``realtimeInput`` may say several things (only one unless ``several``).
    ``strict`` and ``absent`` are those of :func:`protojson.read`.  Raises
    :exc:`Refusal`, with the close code and reason of the service, for anything that is
    not a client message.
    """
    message = read(frame, service, strict=strict, absent=absent)
    match message:
        case {"setup": fields}:
            return (Setup(fields),)
        case {"realtimeInput": fields}:
            return _realtime_input(fields, several)
        case {"clientContent": fields}:
            return _client_content(fields, service)
        case {"toolResponse": fields}:
            return (_tool_response(fields, service),)
        case {"contextUpdate": fields}:
            return (_context_update(fields),)
        case _:
            if strict:
                raise invalid_argument()
            return ()


def text_of(content: dict[str, Any] | None) -> str:
    """The text parts of a ``Content``, joined."""
    parts = (content or {}).get("parts", [])
    return "\n".join(part["text"] for part in parts if "text" in part)


def _realtime_input(fields: dict[str, Any], several: bool) -> tuple[Said, ...]:
    said: list[Said] = []
    if "activityStart" in fields:
        said.append(ActivityStart())
    for blob in [*fields.get("mediaChunks", []), *fields.get("media", [])]:
        said.append(_media(blob))
    if "audio" in fields:
        said.append(_audio(fields["audio"]))
    if "video" in fields:
        said.append(_picture(fields["video"]))
    if "text" in fields:
        said.append(RealtimeText(fields["text"]))
    if fields.get("audioStreamEnd"):
        said.append(AudioStreamEnd())
    if "activityEnd" in fields:
        said.append(ActivityEnd())
    if len(fields) > 1 and not several:
        raise invalid_argument()
    return tuple(said)


def _media(blob: dict[str, Any]) -> RealtimeAudio | RealtimeVideo:
    return _audio(blob) if blob.get("mimeType", "").startswith("audio/") else _picture(blob)


def _audio(blob: dict[str, Any]) -> RealtimeAudio:
    kind, *parameters = blob.get("mimeType", "").replace(" ", "").lower().split(";")
    rate_hz = INPUT_RATE_HZ
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name == "rate":
            rate_hz = int(value) if value.isascii() and value.isdigit() and len(value) < 7 else 0
    if kind != "audio/pcm" or rate_hz not in RATES_HZ:
        raise invalid_argument()
    return RealtimeAudio(blob.get("data", b""), rate_hz)


def _picture(blob: dict[str, Any]) -> RealtimeVideo:
    kind = blob.get("mimeType", "").partition(";")[0].strip().lower()
    if kind not in PICTURE_TYPES:
        raise invalid_argument()
    return RealtimeVideo(blob.get("data", b""), kind)


def _client_content(fields: dict[str, Any], service: Service) -> tuple[Said, ...]:
    said: list[Said] = []
    turns: list[Content] = []
    for turn in fields.get("turns", []):
        role = turn.get("role")
        if role == "system" and service == "vertex":
            said.append(ContextUpdate(instructions=text_of(turn)))
        elif role == "user" or role == "model":
            turns.append(_content(turn, role))
        else:
            raise invalid_argument()
    said.append(ClientContent(tuple(turns), fields.get("turnComplete", False)))
    return tuple(said)


def _content(turn: dict[str, Any], role: Literal["user", "model"]) -> Content:
    parts: list[TextPart | BlobPart] = []
    for part in turn.get("parts", []):
        match part:
            case {"text": text}:
                parts.append(TextPart(text))
            case {"inlineData": blob}:
                parts.append(BlobPart(blob.get("data", b""), blob.get("mimeType", "")))
            case {"fileData": file}:
                parts.append(BlobPart(b"", file.get("mimeType", "")))
            case _:  # function calls and the like, or nothing at all
                raise invalid_argument()
    if not parts:
        raise invalid_argument()
    return Content(role, tuple(parts))


def _tool_response(fields: dict[str, Any], service: Service) -> ToolResponse:
    responses = tuple(
        FunctionResponse(
            id=item.get("id") or None,
            name=item.get("name", ""),
            response=item.get("response", {}),
            scheduling=item.get("scheduling"),
            will_continue=item.get("willContinue"),
        )
        for item in fields.get("functionResponses", [])
    )
    if not responses or (service == "dev" and any(item.id is None for item in responses)):
        raise invalid_argument()
    return ToolResponse(responses)


def _context_update(fields: dict[str, Any]) -> ContextUpdate:
    instructions = text_of(fields["systemInstruction"]) if "systemInstruction" in fields else None
    tools = fields["tools"].get("tools", []) if "tools" in fields else None
    return ContextUpdate(instructions, tools)
