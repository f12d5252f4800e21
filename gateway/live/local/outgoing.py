"""What the server says, as JSON: the other half of the service's codec.

A frame is the tuple of things said in one WebSocket message, in the vocabulary of
``gateway.live.messages``.  They are put into one object: contents of ``serverContent``
beside each other, everything else at the top, names in camelCase only.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

from gateway.live.messages import (
    AudioChunk,
    FunctionCall,
    GenerationComplete,
    GoAway,
    Interrupted,
    LiveEvent,
    SessionResumptionUpdate,
    SetupComplete,
    TextChunk,
    ToolCall,
    ToolCallCancellation,
    Transcription,
    TurnComplete,
    Usage,
    VoiceActivity,
)

Frame: TypeAlias = tuple[LiveEvent, ...]
UsageSpelling: TypeAlias = Literal["dev", "vertex", "none"]

_OUTPUT = {"dev": "response", "vertex": "candidates"}


def encode(frame: Frame, usage: UsageSpelling = "dev") -> str:
    """The JSON text of ``frame``; ``usage`` is how token counts are spelt, or left out.

    ``setupComplete`` is pretty-printed with a newline behind it, as the service does.
    """
    message: dict[str, Any] = {}
    for event in frame:
        _add(message, event, usage)
    if "setupComplete" in message:
        return json.dumps(message, indent=2) + "\n"
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


def _add(message: dict[str, Any], event: LiveEvent, usage: UsageSpelling) -> None:
    match event:
        case SetupComplete(session_id):
            message["setupComplete"] = {"sessionId": session_id} if session_id else {}
        case AudioChunk(pcm, rate_hz):
            data = base64.b64encode(pcm).decode()
            _part(message, {"inlineData": {"mimeType": f"audio/pcm;rate={rate_hz}", "data": data}})
        case TextChunk(text, thought):
            _part(message, {"text": text, "thought": True} if thought else {"text": text})
        case Transcription(speaker=speaker):
            name = "inputTranscription" if speaker == "user" else "outputTranscription"
            _content(message)[name] = _transcription(event)
        case Interrupted():
            _content(message)["interrupted"] = True
        case GenerationComplete():
            _content(message)["generationComplete"] = True
        case TurnComplete(reason):
            _content(message)["turnComplete"] = True
            if reason:
                _content(message)["turnCompleteReason"] = reason
        case ToolCall(calls):
            message["toolCall"] = {"functionCalls": [_call(call) for call in calls]}
        case ToolCallCancellation(ids):
            message["toolCallCancellation"] = {"ids": list(ids)}
        case GoAway(time_left_s):
            message["goAway"] = {} if time_left_s is None else {"timeLeft": _duration(time_left_s)}
        case SessionResumptionUpdate():
            message["sessionResumptionUpdate"] = _update(event)
        case Usage():
            if usage != "none":
                message["usageMetadata"] = _usage(event, usage)
        case VoiceActivity(started, audio_offset_s):
            activity = {"type": "ACTIVITY_START" if started else "ACTIVITY_END"}
            if audio_offset_s is not None:
                activity["audioOffset"] = _duration(audio_offset_s)
            message["voiceActivity"] = activity
        case _:
            raise AssertionError(f"the local server never says {type(event).__name__}")


def _content(message: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = message.setdefault("serverContent", {})
    return content


def _part(message: dict[str, Any], part: dict[str, Any]) -> None:
    turn = _content(message).setdefault("modelTurn", {"role": "model", "parts": []})
    turn["parts"].append(part)


def _transcription(event: Transcription) -> dict[str, Any]:
    fields: dict[str, Any] = {"text": event.text} if event.text else {}
    if event.finished:
        fields["finished"] = True
    if event.language:
        fields["languageCode"] = event.language
    return fields


def _call(call: FunctionCall) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": call.name, "args": call.args}
    return fields if call.id is None else {"id": call.id, **fields}


def _update(event: SessionResumptionUpdate) -> dict[str, Any]:
    fields: dict[str, Any] = {"newHandle": event.handle} if event.handle else {}
    fields["resumable"] = event.resumable
    if event.last_consumed_index is not None:
        fields["lastConsumedClientMessageIndex"] = str(event.last_consumed_index)
    return fields


def _usage(event: Usage, spelling: Literal["dev", "vertex"]) -> dict[str, Any]:
    output = _OUTPUT[spelling]
    counts = {
        "promptTokenCount": event.prompt_tokens,
        f"{output}TokenCount": event.output_tokens,
        "toolUsePromptTokenCount": event.tool_use_tokens,
        "totalTokenCount": event.total_tokens,
    }
    fields: dict[str, Any] = {name: count for name, count in counts.items() if count}
    names = {"prompt": "promptTokensDetails", "output": f"{output}TokensDetails"}
    for direction, name in names.items():
        details = [
            {"modality": detail.modality, "tokenCount": detail.tokens}
            for detail in event.details
            if detail.direction == direction and detail.tokens
        ]
        if details:
            fields[name] = details
    if spelling == "vertex":
        fields["trafficType"] = "ON_DEMAND"
    return fields


def _duration(seconds: float) -> str:
    """A protobuf Duration: ``9.5s``."""
    return f"{round(seconds, 3):g}s" if seconds < 1000 else f"{round(seconds)}s"


def sizes(frames: Iterable[Frame]) -> int:
    """Bytes of sound in ``frames``."""
    return sum(
        len(event.pcm) for frame in frames for event in frame if isinstance(event, AudioChunk)
    )
