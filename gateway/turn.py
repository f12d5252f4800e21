"""Whose turn it is, as the caller hears it.

Two small machines rather than one large one, because the Live API's order is
its own: the *generation* (what the model is making) ends long before the
*playout* (what the caller hears), an interrupted turn has no
``generationComplete``, ``turnComplete`` and ``interrupted`` come in either
order, and transcripts have no order against anything.

A turn is one thing said by the caller and the reply to it.  ``TurnMachine``
gives every transcript and reply its turn number and says what happened as
event values; it has no clock, no sockets and no idea who listens.
"""

from __future__ import annotations

import enum
from dataclasses import asdict, dataclass
from typing import Literal

Speaker = Literal["user", "model"]


class CallState(enum.StrEnum):
    """What a caller sees of a call that is up."""

    CONNECTING = "connecting"
    LISTENING = "listening"
    THINKING = "thinking"
    SPEAKING = "speaking"


@dataclass(frozen=True, slots=True)
class StateChanged:
    state: CallState


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    turn: int


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    turn: int


@dataclass(frozen=True, slots=True)
class Transcript:
    """A fragment of what was said; ``final`` closes the segment."""

    speaker: Speaker
    text: str
    final: bool
    interim: bool
    turn: int


@dataclass(frozen=True, slots=True)
class TurnStarted:
    turn: int


@dataclass(frozen=True, slots=True)
class TurnInterrupted:
    turn: int
    heard_ms: int


@dataclass(frozen=True, slots=True)
class TurnCompleted:
    turn: int
    latency_ms: int | None
    usage: TokenUsage | None


@dataclass(frozen=True, slots=True)
class TokenUsage:
    prompt_tokens: int
    output_tokens: int
    total_tokens: int

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


TurnEvent = (
    StateChanged
    | SpeechStarted
    | SpeechStopped
    | Transcript
    | TurnStarted
    | TurnInterrupted
    | TurnCompleted
)


class Generation(enum.Enum):
    """What the model is doing about the newest turn."""

    IDLE = enum.auto()  # nothing yet, or the turn is closed
    GENERATING = enum.auto()  # content arrives
    GENERATED = enum.auto()  # generationComplete; turnComplete is to come
    DISCARDED = enum.auto()  # the caller stopped it; its rest is thrown away


class TurnMachine:
    """Feed it what happens; it returns what to tell.

    Methods are named for who acts: ``caller_*`` is the client and the
    gateway's own voice detection, ``model_*`` what the service sent,
    ``playout_*`` the playout clock.  Times are seconds of any one monotonic
    clock.  ``discarding`` says that the model's audio is to be thrown away.
    """

    def __init__(self, *, think_limit_s: float = 15.0) -> None:
        self.state = CallState.CONNECTING
        self.reply_turn = 0  # the turn of the newest reply
        self.caller_turn = 1  # the turn of what the caller says now
        self._generation = Generation.IDLE
        self._playing = False
        self._reply_open = False  # turn.started without completed or interrupted
        self._unheard: list[int] = []  # turns whose user transcript is not final
        self._open_model_text = False
        self._voiced_until_s: float | None = None
        self._latency_ms: int | None = None
        self._usage: TokenUsage | None = None
        self._think_limit_s = think_limit_s
        self._thinking_until_s: float | None = None
        self._with_fragments: set[int] = set()

    @property
    def discarding(self) -> bool:
        return self._generation is Generation.DISCARDED

    def begin(self) -> list[TurnEvent]:
        """Both sides are connected."""
        return self._to(CallState.LISTENING)

    def deadline(self) -> float | None:
        """When :meth:`tick` has something to say; ``None`` for never."""
        return self._thinking_until_s

    def tick(self, now: float) -> list[TurnEvent]:
        """A reply that never comes is not waited for for ever."""
        if self._thinking_until_s is None or now < self._thinking_until_s:
            return []
        return self._to(CallState.LISTENING)

    # The caller

    def caller_started(self) -> list[TurnEvent]:
        """Voice begins."""
        self._next_caller_turn()
        self._expect_transcript(self.caller_turn)
        events: list[TurnEvent] = [SpeechStarted(self.caller_turn)]
        if self.state is CallState.THINKING:
            events += self._to(CallState.LISTENING)
        return events

    def caller_stopped(self, voiced_until_s: float, now: float) -> list[TurnEvent]:
        """Voice has ended, at a time that lies a little in the past."""
        self._voiced_until_s = voiced_until_s
        return [SpeechStopped(self.caller_turn), *self._think(now)]

    def caller_wrote(self, text: str, now: float) -> list[TurnEvent]:
        """The caller typed; it has been, or will be, sent to the model."""
        self._next_caller_turn()
        self._voiced_until_s = None
        said = Transcript("user", text, final=True, interim=False, turn=self.caller_turn)
        return [said, *self._think(now)]

    def caller_interrupted(self, heard_ms: int) -> list[TurnEvent]:
        """The caller stops the reply; the rest of this generation is discarded."""
        if self._generation is Generation.GENERATING:
            self._generation = Generation.DISCARDED
        events = self._cut(heard_ms)
        return [*events, *self._to_rest()]

    # The model

    def model_spoke(self) -> list[TurnEvent]:
        """Content of a reply has come: audio, text or a transcript of it."""
        match self._generation:
            case Generation.DISCARDED | Generation.GENERATING:
                return []
            case Generation.GENERATED:
                # Audio after generationComplete belongs to the same reply.
                self._generation = Generation.GENERATING
                return []
            case Generation.IDLE:
                pass
        events = self._complete() if self._reply_open else []
        self._generation = Generation.GENERATING
        self._reply_open = True
        self._usage = None
        self._latency_ms = None
        self.reply_turn = max(self.caller_turn, self.reply_turn + 1)
        self.caller_turn = self.reply_turn
        return [*events, TurnStarted(self.reply_turn), *self._to(CallState.SPEAKING)]

    def model_transcript(self, text: str, *, finished: bool) -> list[TurnEvent]:
        """Words of the reply; they may run ahead of the sound."""
        if self.discarding:
            return []
        events = self.model_spoke() if text else []
        if not self._reply_open:
            return events
        self._open_model_text = not finished
        return [*events, Transcript("model", text, finished, interim=False, turn=self.reply_turn)]

    def user_transcript(self, text: str, *, finished: bool, interim: bool) -> list[TurnEvent]:
        """Words of the caller; they may come before, during or after the reply."""
        turn = self._unheard[0] if self._unheard else self.caller_turn
        if interim:
            return [Transcript("user", text, final=False, interim=True, turn=turn)]
        self._expect_transcript(turn)
        self._with_fragments.add(turn)
        if finished:
            self._heard(turn)
        return [Transcript("user", text, finished, interim=False, turn=turn)]

    def model_generated(self) -> list[TurnEvent]:
        """``generationComplete``: nothing more is being made."""
        events = self._close_transcripts(self.reply_turn, over=False)
        if self._generation is Generation.GENERATING:
            self._generation = Generation.GENERATED
        elif self._generation is Generation.DISCARDED:
            self._generation = Generation.IDLE
        return events

    def model_interrupted(self, heard_ms: int) -> list[TurnEvent]:
        """``interrupted``: may come in mid-reply, after the turn, or for nothing."""
        events = self._close_transcripts(self.reply_turn)
        self._generation = Generation.IDLE
        if self._reply_open and self.caller_turn == self.reply_turn:
            self.caller_turn += 1
        return [*events, *self._cut(heard_ms), *self._to_rest()]

    def model_turn_complete(self) -> list[TurnEvent]:
        """``turnComplete``: closed for the service; playout may go on for seconds."""
        events = self._close_transcripts(self.reply_turn)
        self._generation = Generation.IDLE
        if self._reply_open and not self._playing:
            events += self._complete()
        return [*events, *self._to_rest()]

    def model_usage(self, usage: TokenUsage) -> None:
        """Tokens of the turn: kept for ``turn.completed``."""
        self._usage = usage

    # The playout

    def playout_started(self, now: float) -> list[TurnEvent]:
        """The first frame of the reply leaves."""
        self._playing = True
        if self._voiced_until_s is not None:
            self._latency_ms = max(0, round((now - self._voiced_until_s) * 1000))
            self._voiced_until_s = None
        return self._to(CallState.SPEAKING)

    def playout_drained(self) -> list[TurnEvent]:
        """The last frame of a reply has left."""
        self._playing = False
        events: list[TurnEvent] = []
        if self._reply_open and self._generation is Generation.IDLE:
            events = self._complete()
        return [*events, *self._to_rest()]

    # Inside

    def _next_caller_turn(self) -> None:
        """What the caller says after a reply has begun is the next turn."""
        if self.caller_turn == self.reply_turn:
            self.caller_turn += 1

    def _expect_transcript(self, turn: int) -> None:
        if turn not in self._unheard:
            self._unheard.append(turn)

    def _heard(self, turn: int) -> None:
        self._unheard = [other for other in self._unheard if other > turn]
        self._with_fragments.discard(turn)

    def _close_transcripts(self, turn: int, *, over: bool = True) -> list[TurnEvent]:
        """``finished`` is often missing: the end of a reply ends what led to it.

        With ``over`` the service is done with the turn, and words that have not
        come by now never will.
        """
        events: list[TurnEvent] = []
        for user_turn in [other for other in self._unheard if other <= turn]:
            if user_turn in self._with_fragments:
                events.append(Transcript("user", "", final=True, interim=False, turn=user_turn))
            elif not over:
                continue
            self._heard(user_turn)
        if self._open_model_text:
            self._open_model_text = False
            events.append(Transcript("model", "", final=True, interim=False, turn=self.reply_turn))
        return events

    def _cut(self, heard_ms: int) -> list[TurnEvent]:
        """The reply ends here for the caller, if there is one."""
        if not self._reply_open:
            return []
        heard = heard_ms if self._playing else 0
        self._reply_open = self._playing = self._open_model_text = False
        return [TurnInterrupted(self.reply_turn, heard)]

    def _complete(self) -> list[TurnEvent]:
        self._reply_open = False
        return [TurnCompleted(self.reply_turn, self._latency_ms, self._usage)]

    def _think(self, now: float) -> list[TurnEvent]:
        if self._playing or self._generation is Generation.GENERATING:
            return []
        self._thinking_until_s = now + self._think_limit_s
        return self._to(CallState.THINKING)

    def _to_rest(self) -> list[TurnEvent]:
        """Back to listening, unless a reply is made or played, or waited for."""
        if self._playing or self._generation is Generation.GENERATING:
            return []
        if self.state is CallState.THINKING and self.caller_turn > self.reply_turn:
            return []
        return self._to(CallState.LISTENING)

    def _to(self, state: CallState) -> list[TurnEvent]:
        if state is not CallState.THINKING:
            self._thinking_until_s = None
        if state is self.state:
            return []
        self.state = state
        return [StateChanged(state)]
