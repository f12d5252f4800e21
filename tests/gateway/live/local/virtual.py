"""A conversation with the local server's dialogue in virtual time: no socket, no wait.

    talk = Virtual(script=Script.tones(3000))
    talk.say(RealtimeText("go"))
    talk.run(1.2)
    talk.user_starts()
    assert talk.words()[-2:] == ["interrupted", "turn_complete"]

Sentences take 50 ms a letter, and come back after ``speak_s``; an utterance means what
``user_ends`` was told and is recognized after ``recognize_s``.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from datetime import datetime
from random import Random
from typing import Any, TypeVar

from gateway.live import catalog
from gateway.live.local.dialogue import Dialogue
from gateway.live.local.ears import EarsEvent, UtteranceEnded, UtteranceStarted
from gateway.live.local.effects import Close, Effect, Recognize, Send, Speak
from gateway.live.local.handles import Handles
from gateway.live.local.hearing import Hearing
from gateway.live.local.house import House
from gateway.live.local.outgoing import Frame
from gateway.live.local.phrases import SLOTS, Heard, understand
from gateway.live.local.refusal import INVALID_ARGUMENT, Refusal
from gateway.live.local.rules import Place
from gateway.live.local.schema import Said
from gateway.live.local.script import Script
from gateway.live.local.settings import Detection
from gateway.live.local.switches import Switches
from gateway.live.local.tables import Service
from gateway.live.messages import (
    AudioChunk,
    ClientContent,
    Content,
    FunctionResponse,
    GenerationComplete,
    GoAway,
    Interrupted,
    LiveEvent,
    RealtimeAudio,
    SessionResumptionUpdate,
    Setup,
    SetupComplete,
    TextChunk,
    TextPart,
    ToolCall,
    ToolCallCancellation,
    ToolResponse,
    Transcription,
    TurnComplete,
    Usage,
    VoiceActivity,
)

REFUSED = (1007, INVALID_ARGUMENT)
THREE_SECONDS = Script.tones(3000)
MANUAL = {"realtimeInputConfig": {"automaticActivityDetection": {"disabled": True}}}
WORD = SLOTS["word"][0]
WEATHER = {
    "name": "get_weather",
    "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}},
}
MODELS = {
    "dev": "models/gemini-3.8-live",
    "vertex": "projects/p/locations/us-central1/publishers/google/models/"
    "gemini-live-2.5-flash-native-audio",
}
DEV_25 = "models/gemini-2.5-flash-native-audio-preview-12-2025"
DEV_31 = "models/gemini-3.1-flash-live-preview"
MS_PER_LETTER = 50
CLOCK = datetime(2026, 11, 22, 15, 42)

WORDS: dict[type, str] = {
    SetupComplete: "setup_complete",
    AudioChunk: "audio",
    TextChunk: "text",
    Transcription: "transcription",
    Interrupted: "interrupted",
    GenerationComplete: "generation_complete",
    TurnComplete: "turn_complete",
    Usage: "usage",
    ToolCall: "tool_call",
    ToolCallCancellation: "tool_call_cancellation",
    GoAway: "go_away",
    SessionResumptionUpdate: "resumption",
    VoiceActivity: "voice_activity",
}
_E = TypeVar("_E")
_START, _END = b"S", b"E"


def tools(*functions: dict[str, Any]) -> dict[str, Any]:
    """A setup's declaration of functions."""
    return {"tools": [{"functionDeclarations": list(functions)}]}


def user(text: str, *, complete: bool = True) -> ClientContent:
    """What a user typed, as ``clientContent``."""
    return ClientContent((Content("user", (TextPart(text),)),), complete)


def answer(call: ToolCall, response: dict[str, Any], **more: Any) -> ToolResponse:
    """The answer to the one function of ``call``."""
    (asked,) = call.calls
    return ToolResponse((FunctionResponse(asked.id, asked.name, response, **more),))


class MarkedEar(Hearing):
    """Hears speech begin and end where the audio says so."""

    def __init__(self, detection: Detection) -> None:
        super().__init__(detection)
        self._at_ms = 0

    def push(self, pcm: bytes, rate_hz: int) -> list[EarsEvent]:
        self._at_ms += 1000
        if pcm == _START:
            return [UtteranceStarted(self._at_ms)]
        return [UtteranceEnded(self._at_ms, bytes(32_000))] if pcm == _END else []


class Virtual:
    """One connection; its setup is said at once unless ``setup`` is ``None``."""

    def __init__(
        self,
        *,
        service: Service = "dev",
        model: str | None = None,
        version: str = "v1beta",
        setup: dict[str, Any] | None = {},  # noqa: B006
        switches: Switches | None = None,
        script: Script | None = None,
        seed: int = 0,
        speak_s: float = 0.0,
        recognize_s: float = 0.0,
        refusal: Refusal | None = None,
        handles: Handles | None = None,
        start: float = 1000.0,
    ) -> None:
        random = Random(seed)
        self.house = House(
            switches=switches or Switches(chunk_spread=0.0),
            catalog=catalog.load(),
            handles=handles or Handles(random),
            random=random,
            clock=lambda: CLOCK,
            script=script or Script(),
            hearing=MarkedEar,
        )
        self.start = self.now = start
        self.sent: list[tuple[float, Frame]] = []
        self.closed: tuple[int, str] | None = None
        self.heard_next: deque[Heard] = deque()
        self.spoken_ms = 0.0
        self._speak_s, self._recognize_s = speak_s, recognize_s
        self._coming: list[tuple[float, int, Effect, Heard | None]] = []
        self._order = itertools.count()
        self.dialogue = Dialogue(self.house, Place(service, version), start, refusal=refusal)
        if setup is not None:
            fields = {
                "model": model or MODELS[service],
                "inputAudioTranscription": {},
                "outputAudioTranscription": {},
                **setup,
            }
            self.say(Setup({key: value for key, value in fields.items() if value is not None}))

    # -- what the client does ----------------------------------------------------------

    def say(self, *said: Said) -> None:
        self._do(self.dialogue.receive(*said, now=self.now))
        self.run(0)

    def frame(self, text: str | bytes) -> None:
        self._do(self.dialogue.receive_frame(text, self.now))
        self.run(0)

    def user_starts(self) -> None:
        self.say(RealtimeAudio(_START))

    def user_ends(self, text: str = "") -> None:
        """The utterance is over; ``text`` is what will be recognized in it."""
        self.heard_next.append(understand(text))
        self.say(RealtimeAudio(_END))

    def user_says(self, text: str) -> None:
        self.user_starts()
        self.user_ends(text)

    def run(self, seconds: float = 3600.0) -> None:
        """Let time pass; stops early when nothing more will happen."""
        until = self.now + seconds
        while self.closed is None:
            deadline = self.dialogue.deadline(self.now)
            coming = self._coming[0][0] if self._coming else None
            due = min((time for time in (deadline, coming) if time is not None), default=None)
            if due is None or due > until:
                break
            self.now = max(self.now, due)
            if coming is not None and coming <= self.now:
                self._arrive()
            else:
                self._do(self.dialogue.tick(self.now))
        if seconds < 3600:
            self.now = max(self.now, until)

    # -- what was sent -----------------------------------------------------------------

    def events(self, kind: type[_E]) -> list[_E]:
        """Everything of a kind that was sent."""
        return [event for _, frame in self.sent for event in frame if isinstance(event, kind)]

    def at(self, kind: type[LiveEvent]) -> list[float]:
        """When things of a kind were sent, in seconds from the start."""
        return [
            round(at - self.start, 6)
            for at, frame in self.sent
            for event in frame
            if isinstance(event, kind)
        ]

    def words(self, *, without: str = "resumption usage") -> list[str]:
        """What was sent, in order, neighbours of a kind taken together."""
        words = [WORDS[type(event)] for _, frame in self.sent for event in frame]
        left = (word for word in words if word not in without.split())
        return [word for word, _ in itertools.groupby(left)]

    def frames(self) -> list[list[str]]:
        """The words of each frame."""
        return [[WORDS[type(event)] for event in frame] for _, frame in self.sent]

    def text(self, speaker: str = "model") -> str:
        found = self.events(Transcription)
        return "".join(event.text for event in found if event.speaker == speaker)

    def audio_ms(self) -> float:
        return sum(len(event.pcm) for event in self.events(AudioChunk)) / 48

    def forget(self) -> None:
        self.sent.clear()

    # -- inside ------------------------------------------------------------------------

    def _do(self, effects: list[Effect]) -> None:
        for effect in effects:
            assert self.closed is None, f"{effect} after the close"
            match effect:
                case Send(frame):
                    assert frame, "an empty frame"
                    self.sent.append((self.now, frame))
                case Close(code, reason):
                    self.closed = code, reason
                case Recognize():
                    heard = self.heard_next.popleft() if self.heard_next else understand("")
                    self._later(self._recognize_s, effect, heard)
                case Speak():
                    self._later(self._speak_s, effect, None)

    def _later(self, seconds: float, effect: Effect, heard: Heard | None) -> None:
        heapq.heappush(self._coming, (self.now + seconds, next(self._order), effect, heard))

    def _arrive(self) -> None:
        _, _, effect, heard = heapq.heappop(self._coming)
        match effect:
            case Recognize(ticket):
                assert heard is not None
                self._do(self.dialogue.heard(ticket, heard, self.now))
            case Speak(ticket, text):
                pcm = bytes(len(text) * MS_PER_LETTER * 48)
                self.spoken_ms += len(pcm) / 48
                self._do(self.dialogue.spoken(ticket, pcm, self.now))
            case _:
                raise AssertionError(f"{effect} takes no time")
