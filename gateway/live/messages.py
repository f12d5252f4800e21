"""The vocabulary of a live session: one frozen dataclass per thing said.

What the client hears is a :data:`LiveEvent`, what it says is a
:data:`ClientMessage`.  The words are the Live API's own in Python spelling, so
that its documentation can be read beside this file; each docstring names the
field of the wire it stands for.  Nothing here knows JSON: ``codec`` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

INPUT_RATE_HZ = 16_000
OUTPUT_RATE_HZ = 24_000

# -- what the client hears ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SetupComplete:
    """``setupComplete``: the service accepts messages from now on."""

    session_id: str | None = None


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """Sound in ``serverContent.modelTurn``: s16le mono in whole samples, of any length."""

    pcm: bytes
    rate_hz: int = OUTPUT_RATE_HZ


@dataclass(frozen=True, slots=True)
class TextChunk:
    """Text in ``serverContent.modelTurn``; ``thought`` is the model talking to itself."""

    text: str
    thought: bool = False


@dataclass(frozen=True, slots=True)
class ExecutableCode:
    """Code the model wrote for the service to run."""

    code: str
    language: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class CodeResult:
    """What that code did; ``outcome`` is ``OUTCOME_OK``, ``OUTCOME_FAILED`` ..."""

    outcome: str
    output: str = ""
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Transcription:
    """A fragment of what was said.

    Fragments of one speaker are concatenated as they come, spaces included.
    ``finished`` closes the segment but is often missing: generation_complete,
    turn_complete and interrupted close it too.  An ``interim`` one is a guess
    that the next of the same speaker replaces.
    """

    speaker: Literal["user", "model"]
    text: str
    finished: bool = False
    interim: bool = False
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Interrupted:
    """``serverContent.interrupted``: drop all sound that was not yet played."""


@dataclass(frozen=True, slots=True)
class GenerationComplete:
    """``serverContent.generationComplete``: all of the reply was sent, not heard.

    Absent for an interrupted turn.
    """


@dataclass(frozen=True, slots=True)
class TurnComplete:
    """``serverContent.turnComplete``: the service has closed the turn.

    ``interaction_status`` ``IN_PROGRESS`` makes it a boundary inside one reply.
    """

    reason: str | None = None
    waiting_for_input: bool = False
    interaction_status: str | None = None


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A function the model wants called; the service may leave out ``id`` (Vertex AI)."""

    id: str | None
    name: str
    args: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """``toolCall``: every call wants a :class:`FunctionResponse`."""

    calls: tuple[FunctionCall, ...]


@dataclass(frozen=True, slots=True)
class ToolCallCancellation:
    """``toolCallCancellation``: these calls are to be stopped and not answered."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GoAway:
    """``goAway``: the connection ends in ``time_left_s`` seconds, if the service says."""

    time_left_s: float | None = None


@dataclass(frozen=True, slots=True)
class SessionResumptionUpdate:
    """``sessionResumptionUpdate``: a handle to go on from here, good only if ``resumable``.

    ``last_consumed_index`` counts client messages; transparent resumption only.
    """

    handle: str
    resumable: bool
    last_consumed_index: int | None = None


class TokenDetail(NamedTuple):
    """Tokens of one modality (``AUDIO``, ``TEXT``, ``IMAGE``, ``VIDEO``, ``DOCUMENT``)."""

    direction: Literal["prompt", "output", "tool_use", "cached"]
    modality: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Usage:
    """``usageMetadata``: tokens of one turn over the whole context so far.

    A count the service left out is 0; details need not sum to the counts.
    """

    prompt_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    thoughts_tokens: int = 0
    tool_use_tokens: int = 0
    cached_tokens: int = 0
    details: tuple[TokenDetail, ...] = ()


@dataclass(frozen=True, slots=True)
class VoiceActivity:
    """The service heard the user start or stop; only where it was asked to say so."""

    started: bool
    audio_offset_s: float | None = None


@dataclass(frozen=True, slots=True)
class Grounding:
    """``serverContent.groundingMetadata`` as it came; one turn may have several."""

    metadata: dict[str, Any]


@dataclass(frozen=True, slots=True)
class UrlContext:
    """``serverContent.urlContextMetadata`` as it came."""

    metadata: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unknown:
    """The paths in a frame that this version does not know, cut to a sane length."""

    keys: tuple[str, ...]


LiveEvent: TypeAlias = (
    SetupComplete
    | AudioChunk
    | TextChunk
    | ExecutableCode
    | CodeResult
    | Transcription
    | Interrupted
    | GenerationComplete
    | TurnComplete
    | ToolCall
    | ToolCallCancellation
    | GoAway
    | SessionResumptionUpdate
    | Usage
    | VoiceActivity
    | Grounding
    | UrlContext
    | Unknown
)

# -- what the client says ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Setup:
    """``setup``: the first message, once.  ``fields`` is the object as it goes on the wire."""

    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TextPart:
    text: str


@dataclass(frozen=True, slots=True)
class BlobPart:
    """Media inside a turn (``inlineData``)."""

    data: bytes
    mime_type: str


@dataclass(frozen=True, slots=True)
class Content:
    """One turn of a conversation; the service closes a session over any other role."""

    role: Literal["user", "model"]
    parts: tuple[TextPart | BlobPart, ...]


@dataclass(frozen=True, slots=True)
class ClientContent:
    """``clientContent``: add turns to the context; with ``turn_complete`` the model answers.

    Interrupts what the model is saying.
    """

    turns: tuple[Content, ...] = ()
    turn_complete: bool = True


@dataclass(frozen=True, slots=True)
class RealtimeAudio:
    """``realtimeInput.audio``: s16le mono, 20 to 40 ms at a time."""

    pcm: bytes
    rate_hz: int = INPUT_RATE_HZ


@dataclass(frozen=True, slots=True)
class RealtimeVideo:
    """``realtimeInput.video``: one still, at most one a second."""

    data: bytes
    mime_type: str = "image/jpeg"


@dataclass(frozen=True, slots=True)
class RealtimeText:
    """``realtimeInput.text``: the user types instead of speaking."""

    text: str


@dataclass(frozen=True, slots=True)
class AudioStreamEnd:
    """``realtimeInput.audioStreamEnd``: the microphone is off; the next audio reopens."""


@dataclass(frozen=True, slots=True)
class ActivityStart:
    """``realtimeInput.activityStart``: only with automatic detection disabled."""


@dataclass(frozen=True, slots=True)
class ActivityEnd:
    """``realtimeInput.activityEnd``: only with automatic detection disabled."""


@dataclass(frozen=True, slots=True)
class FunctionResponse:
    """The answer to a :class:`FunctionCall`: its ``id`` (or none, if it had none) and name.

    ``scheduling`` (``SILENT``, ``WHEN_IDLE``, ``INTERRUPT``) and
    ``will_continue`` are for functions declared non-blocking.
    """

    id: str | None
    name: str
    response: dict[str, Any]
    scheduling: str | None = None
    will_continue: bool | None = None


@dataclass(frozen=True, slots=True)
class ToolResponse:
    """``toolResponse``."""

    responses: tuple[FunctionResponse, ...]


ClientMessage: TypeAlias = (
    Setup
    | ClientContent
    | RealtimeAudio
    | RealtimeVideo
    | RealtimeText
    | AudioStreamEnd
    | ActivityStart
    | ActivityEnd
    | ToolResponse
)
