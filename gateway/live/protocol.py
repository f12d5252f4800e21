"""One live session without I/O: what may be said when, and what is worth remembering.

Every frame from the WebSocket goes to :meth:`LiveProtocol.receive`, which
returns what it meant; the ``send_*`` methods return the text to put on the
wire.  Nothing here waits and nothing reads a clock.

Two things have an order.  *Set-up*: one ``setup``, then nothing until
``setup_complete``.  *Generation*: the model's content makes it ``generating``,
and generation_complete, interrupted or turn_complete, whichever comes first,
makes it ``idle``.  The service keeps no stricter promise: audio may follow
generation_complete, interrupted may come with nothing generating or after
turn_complete, and turn_complete may be missing, so none of these is an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from gateway.errors import LocalProtocolError
from gateway.live.codec import decode_server, encode_audio, encode_client
from gateway.live.messages import (
    ActivityEnd,
    ActivityStart,
    AudioChunk,
    AudioStreamEnd,
    ClientContent,
    ClientMessage,
    CodeResult,
    Content,
    ExecutableCode,
    GenerationComplete,
    GoAway,
    Interrupted,
    LiveEvent,
    RealtimeText,
    SessionResumptionUpdate,
    Setup,
    SetupComplete,
    TextChunk,
    TextPart,
    Transcription,
    TurnComplete,
    Unknown,
)

# `realtimeInput.text` came with the 3.x models; Vertex AI lists it as unsupported
# for 2.5, where `clientContent` may come at any time.
_TEXT_AS_CONTENT = re.compile(r"(^|/)gemini-(live-)?2\.")


class LiveProtocol:
    """The client's side of one live session, from ``setup`` to the end.

    Raises :exc:`LocalProtocolError` when the gateway breaks the order (a bug
    here) and :exc:`RemoteProtocolError` when a frame cannot be read.
    """

    def __init__(self) -> None:
        self.state: Literal["new", "setup_sent", "open"] = "new"
        self.generation: Literal["idle", "generating"] = "idle"
        self.session_id: str | None = None
        self.go_away: GoAway | None = None
        self.empty_frames = 0
        self.unknown_frames = 0
        self._handle: str | None = None
        self._manual_activity = False
        self._text_as_content = False

    @property
    def handle(self) -> str | None:
        """The newest handle to resume from, at first the one the set-up itself resumed.

        Updates that are not resumable, as during a generation, leave it alone.
        """
        return self._handle

    # -- to the wire -------------------------------------------------------------------

    def send_setup(self, setup: Setup) -> str:
        if self.state != "new":
            raise LocalProtocolError("A live session is set up once.")
        self._handle = _object(setup.fields, "sessionResumption").get("handle")
        realtime = _object(setup.fields, "realtimeInputConfig")
        self._manual_activity = bool(
            _object(realtime, "automaticActivityDetection").get("disabled")
        )
        self._text_as_content = bool(_TEXT_AS_CONTENT.search(str(setup.fields.get("model", ""))))
        text = encode_client(setup)
        self.state = "setup_sent"
        return text

    def send(self, message: ClientMessage) -> str:
        """Any message.  Activity marks go with detection disabled, stream ends with it enabled."""
        if isinstance(message, Setup):
            return self.send_setup(message)
        self._require_open()
        match message:
            case ActivityStart() | ActivityEnd() if not self._manual_activity:
                raise LocalProtocolError("Activity is marked by the service: detection is enabled.")
            case AudioStreamEnd() if self._manual_activity:
                raise LocalProtocolError("The audio stream has no end: detection is disabled.")
            case _:
                return encode_client(message)

    def send_audio(self, pcm: bytes) -> bytes:
        """s16le mono at 16 kHz; the frame's text in UTF-8."""
        self._require_open()
        return encode_audio(pcm)

    def send_text(self, text: str) -> str:
        """What the user types, in the message that this model takes it in."""
        if self._text_as_content:
            return self.send(ClientContent((Content("user", (TextPart(text),)),)))
        return self.send(RealtimeText(text))

    def send_audio_stream_end(self) -> str:
        return self.send(AudioStreamEnd())

    def send_client_content(
        self, turns: Sequence[Content] = (), *, turn_complete: bool = True
    ) -> str:
        return self.send(ClientContent(tuple(turns), turn_complete))

    # -- from the wire -----------------------------------------------------------------

    def receive(self, frame: str | bytes) -> tuple[LiveEvent, ...]:
        """What a frame means, in the order to act on it; nothing for an empty one."""
        events = decode_server(frame)
        if not events:
            self.empty_frames += 1
        for event in events:
            self._note(event)
        return events

    def _note(self, event: LiveEvent) -> None:
        match event:
            case AudioChunk() | TextChunk() | ExecutableCode() | CodeResult():
                self.generation = "generating"
            case Transcription(speaker="model"):
                # Vertex AI sends it ahead of the sound it describes.
                self.generation = "generating"
            case GenerationComplete() | Interrupted():
                self.generation = "idle"
            case TurnComplete() if event.interaction_status != "IN_PROGRESS":
                self.generation = "idle"
            case SetupComplete():
                self.state = "open"
                self.session_id = event.session_id
            case SessionResumptionUpdate(handle, resumable=True) if handle:
                self._handle = handle
            case GoAway():
                self.go_away = event
            case Unknown():
                self.unknown_frames += 1
            case _:
                pass

    def _require_open(self) -> None:
        if self.state != "open":
            raise LocalProtocolError("Nothing may be said before setup_complete.")


def _object(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = fields.get(name)
    return value if isinstance(value, Mapping) else {}
