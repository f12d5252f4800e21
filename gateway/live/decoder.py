"""One frame of the service to the events it holds.

A frame may say several things at once, so decoding gives a tuple.  Its order
is the order to act in: what was said comes before what ends it.

    setup_complete, voice_activity, what the model made, grounding,
    transcriptions (interim, user, model), tool calls and cancellations,
    generation_complete, interrupted, usage, turn_complete,
    session_resumption_update, go_away, unknown

So audio beside ``interrupted`` is dropped with the rest of its reply, and the
usage of a turn is known when ``turn_complete`` is read.  Each function below
takes the fields it knows from their object; what is left over is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from gateway.errors import RemoteProtocolError
from gateway.live.audio_frame import audio_alone
from gateway.live.messages import (
    OUTPUT_RATE_HZ,
    AudioChunk,
    CodeResult,
    ExecutableCode,
    FunctionCall,
    GenerationComplete,
    GoAway,
    Grounding,
    Interrupted,
    LiveEvent,
    SessionResumptionUpdate,
    SetupComplete,
    TextChunk,
    TokenDetail,
    ToolCall,
    ToolCallCancellation,
    Transcription,
    TurnComplete,
    Unknown,
    UrlContext,
    Usage,
    VoiceActivity,
)
from gateway.live.wire import Fields, parse_object

_PCM = re.compile(r"audio/(?:pcm|l16)\s*(?:;(?P<parameters>.*))?", re.IGNORECASE | re.DOTALL)
_RATE = re.compile(r"(?:^|;)\s*rate=([0-9]{1,9})\s*(?:;|$)", re.IGNORECASE)
_RATES_HZ = range(8_000, 192_001)
_UNKNOWN_LIMIT = 16

# The two services name the tokens of the reply differently.
_DETAILS: tuple[tuple[str, Literal["prompt", "output", "tool_use", "cached"]], ...] = (
    ("promptTokensDetails", "prompt"),
    ("responseTokensDetails", "output"),
    ("candidatesTokensDetails", "output"),
    ("toolUsePromptTokensDetails", "tool_use"),
    ("cacheTokensDetails", "cached"),
)


def decode_server(frame: str | bytes) -> tuple[LiveEvent, ...]:
    """Everything that one text or binary frame says, in the order above; nothing for ``{}``.

    Raises :exc:`RemoteProtocolError`, with the path and without the content,
    for what is not a JSON object and for a field of an impossible type.
    """
    if isinstance(frame, bytes) and (chunk := audio_alone(frame)) is not None:
        return (chunk,)
    message = Fields(parse_object(frame))
    content = message.object("serverContent") or Fields({})
    events = (
        *_setup_complete(message),
        *_voice_activity(message),
        *_model_turn(content),
        *_metadata(content),
        *_transcriptions(message),  # where the Vertex AI reference of 2025 has them
        *_transcriptions(content),
        *_tools(message),
        *_generation(content),
        *_usage(message),
        *_turn_complete(content),
        *_connection(message),
    )
    unknown = message.unknown()
    return (*events, Unknown(tuple(unknown[:_UNKNOWN_LIMIT]))) if unknown else events


def _setup_complete(message: Fields) -> Iterator[LiveEvent]:
    if (setup := message.object("setupComplete")) is not None:
        setup.ignore("voiceConsentSignature")
        yield SetupComplete(setup.string("sessionId"))


def _voice_activity(message: Fields) -> Iterator[LiveEvent]:
    """``voiceActivity``, and the signal that allow-listed projects get in its place."""
    if activity := message.object("voiceActivity"):
        offset_s = activity.duration_s("audioOffset")
        match activity.enum("type") or activity.enum("voiceActivityType"):
            case "ACTIVITY_START":
                yield VoiceActivity(True, offset_s)
            case "ACTIVITY_END":
                yield VoiceActivity(False, offset_s)
            case _:
                activity.leave("type")
    if signal := message.object("voiceActivityDetectionSignal"):
        match signal.enum("vadSignalType"):
            case "VAD_SIGNAL_TYPE_SOS":
                yield VoiceActivity(True)
            case "VAD_SIGNAL_TYPE_EOS":
                yield VoiceActivity(False)
            case _:
                signal.leave("vadSignalType")


def _model_turn(content: Fields) -> Iterator[LiveEvent]:
    if turn := content.object("modelTurn"):
        turn.ignore("role")
        for part in turn.objects("parts"):
            yield from _part(part)


def _part(part: Fields) -> Iterator[LiveEvent]:
    part.ignore("thoughtSignature")
    thought = part.flag("thought")
    if text := part.string("text"):
        yield TextChunk(text, thought)
    if blob := part.object("inlineData"):
        yield from _audio(blob)
    if code := part.object("executableCode"):
        yield ExecutableCode(code.string("code") or "", code.enum("language"), code.string("id"))
    if result := part.object("codeExecutionResult"):
        yield CodeResult(
            result.enum("outcome") or "OUTCOME_UNSPECIFIED",
            result.string("output") or "",
            result.string("id"),
        )


def _audio(blob: Fields) -> Iterator[LiveEvent]:
    data = blob.blob("data")
    mime_type = blob.string("mimeType") or ""
    if (kind := _PCM.fullmatch(mime_type.strip())) is None:
        blob.leave("mimeType")
        return
    rate_hz = OUTPUT_RATE_HZ
    if found := _RATE.search(kind["parameters"] or ""):
        rate_hz = int(found[1])
    if rate_hz not in _RATES_HZ:
        raise RemoteProtocolError(f"{blob.at('mimeType')} has a sample rate nobody can play.")
    if pcm := data[: len(data) // 2 * 2]:
        yield AudioChunk(pcm, rate_hz)


def _metadata(content: Fields) -> Iterator[LiveEvent]:
    if (grounding := content.plain("groundingMetadata")) is not None:
        yield Grounding(grounding)
    if (context := content.plain("urlContextMetadata")) is not None:
        yield UrlContext(context)


def _transcriptions(fields: Fields) -> Iterator[LiveEvent]:
    yield from _transcription(fields, "interimInputTranscription", "user", interim=True)
    yield from _transcription(fields, "inputTranscription", "user")
    yield from _transcription(fields, "outputTranscription", "model")


def _transcription(
    fields: Fields, name: str, speaker: Literal["user", "model"], *, interim: bool = False
) -> Iterator[LiveEvent]:
    if said := fields.object(name):
        said.ignore("speakerLabel", "words", "startOffset", "endOffset")
        text, finished = said.string("text") or "", said.flag("finished")
        language = said.string("languageCode") or None
        if text or finished:
            yield Transcription(speaker, text, finished, interim, language)


def _tools(message: Fields) -> Iterator[LiveEvent]:
    if (tool_call := message.object("toolCall")) is not None:
        if calls := tuple(_function_call(call) for call in tool_call.objects("functionCalls")):
            yield ToolCall(calls)
    if (cancellation := message.object("toolCallCancellation")) is not None:
        if ids := cancellation.strings("ids"):
            yield ToolCallCancellation(ids)


def _function_call(call: Fields) -> FunctionCall:
    call.ignore("partialArgs", "willContinue")
    if not (name := call.string("name")):
        raise RemoteProtocolError(f"{call.at('name')} is missing.")
    return FunctionCall(call.string("id") or None, name, call.plain("args") or {})


def _generation(content: Fields) -> Iterator[LiveEvent]:
    if content.flag("generationComplete"):
        yield GenerationComplete()
    if content.flag("interrupted"):
        yield Interrupted()


def _usage(message: Fields) -> Iterator[LiveEvent]:
    if (usage := message.object("usageMetadata")) is None:
        return
    usage.ignore("serviceTier", "trafficType")
    usage.ignore("textCount", "imageCount", "videoDurationSeconds", "audioDurationSeconds")
    if "responseTokenCount" in usage or "responseTokensDetails" in usage:
        usage.ignore("candidatesTokenCount", "candidatesTokensDetails")  # the same tokens
    yield Usage(
        prompt_tokens=usage.integer("promptTokenCount") or 0,
        output_tokens=usage.integer("responseTokenCount")
        or usage.integer("candidatesTokenCount")
        or 0,
        total_tokens=usage.integer("totalTokenCount") or 0,
        thoughts_tokens=usage.integer("thoughtsTokenCount") or 0,
        tool_use_tokens=usage.integer("toolUsePromptTokenCount") or 0,
        cached_tokens=usage.integer("cachedContentTokenCount") or 0,
        details=tuple(
            TokenDetail(
                direction,
                detail.enum("modality") or "MODALITY_UNSPECIFIED",
                detail.integer("tokenCount") or 0,
            )
            for name, direction in _DETAILS
            for detail in usage.objects(name)
        ),
    )


def _turn_complete(content: Fields) -> Iterator[LiveEvent]:
    """The three fields beside ``turnComplete`` say more about it and nothing without it."""
    if content.flag("turnComplete"):
        yield TurnComplete(
            content.enum("turnCompleteReason"),
            content.flag("waitingForInput"),
            content.enum("interactionStatus"),
        )


def _connection(message: Fields) -> Iterator[LiveEvent]:
    if (update := message.object("sessionResumptionUpdate")) is not None:
        yield SessionResumptionUpdate(
            update.string("newHandle") or "",
            update.flag("resumable"),
            update.integer("lastConsumedClientMessageIndex"),
        )
    if (go_away := message.object("goAway")) is not None:
        yield GoAway(go_away.duration_s("timeLeft"))
