"""Whose turn it is, as the caller hears it.

Two small machines rather than one large one, because the Live API's order is
its own: the *generation* (what the model is making) ends long before the
*playout* (what the caller hears), an interrupted turn has no
``generationComplete``, ``turnComplete`` and ``interrupted`` come in either
order, and transcripts have no order against anything.

A turn is one thing said by the caller and the reply to it.  ``TurnMachine``
gives every transcript and reply its turn number and says what happened as
event values; it has no clock, no sockets and no idea who listens.  "User" is
the Live API's word for the caller, kept where the event has it.
"""

from __future__ import annotations

import enum
from collections import deque
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
    """What the model is doing about the newest reply."""

    IDLE = enum.auto()  # nothing yet, or the turn is closed
    GENERATING = enum.auto()  # content arrives
    GENERATED = enum.auto()  # generationComplete; turnComplete is to come
    CUT = enum.auto()  # interrupted; turnComplete is to come
    DISCARDED = enum.auto()  # the caller stopped it; its rest is thrown away


@dataclass(slots=True)
class _Reply:
    """A reply that was begun and is neither played to its end nor interrupted."""

    turn: int
    sounding: bool = False  # sound of it waits to be played, or is played
    playing: bool = False
    closed: bool = False  # by the service
    open_words: bool = False
    latency_ms: int | None = None
    usage: TokenUsage | None = None


class TurnMachine:
    """Feed it what happens; it returns what to tell.

    Methods are named for who acts: ``caller_*`` is the client and the
    gateway's own voice detection, ``model_*`` what the service sent,
    ``playout_*`` the playout clock.  ``now`` is seconds of any one monotonic
    clock.  ``discarding`` says that the model's audio is to be thrown away.

    Nothing is waited for without a limit: a reply that never comes
    (``think_limit_s``), one that stalls or is not closed (``stall_limit_s``).
    """

    def __init__(self, *, think_limit_s: float = 15.0, stall_limit_s: float = 30.0) -> None:
        self.state = CallState.CONNECTING
        self.reply_turn = 0  # the turn of the newest reply
        self.caller_turn = 1  # the turn of what the caller says now
        self._think_limit_s = think_limit_s
        self._stall_limit_s = stall_limit_s
        self._generation = Generation.IDLE
        self._replies: deque[_Reply] = deque()
        self._is_greeting = False  # turn 1 is the model's, and it has not begun
        self._asked_until_s: float | None = None  # a reply is awaited until then
        self._content_s = 0.0  # when the newest content came
        self._voiced_until_s: float | None = None
        self._early_words: list[tuple[str, bool]] = []  # of a reply whose sound is to come
        self._open_user_turns: list[int] = []  # their transcripts are not final
        self._with_fragments: set[int] = set()

    @property
    def discarding(self) -> bool:
        return self._generation is Generation.DISCARDED

    @property
    def is_idle(self) -> bool:
        """Whether the model makes nothing that we know of."""
        return self._generation is Generation.IDLE

    def begin(self, now: float, *, greeting: bool = False) -> list[TurnEvent]:
        """Both sides are connected.  A ``greeting`` makes turn 1 the model's."""
        if greeting:
            self._is_greeting = True
            self.caller_turn += 1
            self._open_user_turns = [turn + 1 for turn in self._open_user_turns]
        if self._asked_until_s is not None:
            self._asked_until_s = now + self._think_limit_s
        self.state = self._resting_state()
        return [StateChanged(self.state)]

    def deadline(self) -> float | None:
        """When :meth:`tick` has something to do; ``None`` for never."""
        if self._generation is not Generation.IDLE:
            return self._content_s + self._stall_limit_s
        return self._asked_until_s

    def tick(self, now: float) -> list[TurnEvent]:
        """Give up what has been waited for too long."""
        deadline = self.deadline()
        if deadline is None or now < deadline:
            return []
        if self._generation is not Generation.IDLE:
            return self.model_turn_complete()
        self._asked_until_s = None
        return self._rest()

    # The caller

    def caller_started(self) -> list[TurnEvent]:
        """Voice begins."""
        self._next_caller_turn()
        self._expect_transcript(self.caller_turn)
        self._asked_until_s = None
        return [SpeechStarted(self.caller_turn), *self._rest()]

    def caller_stopped(self, voiced_until_s: float, now: float) -> list[TurnEvent]:
        """Voice has ended, at a time that lies a little in the past."""
        self._voiced_until_s = voiced_until_s
        self._asked_until_s = now + self._think_limit_s
        return [SpeechStopped(self.caller_turn), *self._rest()]

    def caller_wrote(self, text: str, now: float) -> list[TurnEvent]:
        """The caller typed; it has been, or will be, sent to the model."""
        self._next_caller_turn()
        self._voiced_until_s = None
        self._asked_until_s = now + self._think_limit_s
        said = Transcript("user", text, final=True, interim=False, turn=self.caller_turn)
        return [said, *self._rest()]

    def caller_interrupted(self, heard_ms: int, now: float) -> list[TurnEvent]:
        """The caller stops the reply; the rest of this generation is discarded."""
        if self._generation is Generation.GENERATING:
            self._generation = Generation.DISCARDED
            self._content_s = now
        return [*self._cut(heard_ms), *self._rest()]

    # The model

    def model_sounded(self, now: float) -> list[TurnEvent]:
        """Sound of a reply has come, and goes to the playout unless ``discarding``."""
        events = self.model_spoke(now)
        if not self.discarding:
            self._replies[-1].sounding = True
        return events

    def model_spoke(self, now: float) -> list[TurnEvent]:
        """Content of a reply has come: sound, or text from a model that writes."""
        if self._generation is Generation.DISCARDED:
            return []
        self._content_s = now
        match self._generation:
            case Generation.GENERATING | Generation.GENERATED if self._replies:
                self._generation = Generation.GENERATING
                return []
            case _:
                return self._begin_reply()

    def model_transcript(self, text: str, *, finished: bool) -> list[TurnEvent]:
        """Words of the reply; they may run ahead of the sound, or come after it."""
        match self._generation:
            case Generation.DISCARDED | Generation.CUT:
                return []
            case Generation.IDLE if not self._replies:
                # Sound makes a reply, not words: these are early, or they are
                # late and nobody hears the reply any more.
                if self.caller_turn > self.reply_turn or self._is_greeting:
                    self._early_words.append((text, finished))
                return []
            case _:
                return self._words(text, finished) if self._replies else []

    def user_transcript(self, text: str, *, finished: bool, interim: bool) -> list[TurnEvent]:
        """Words of the caller; they may come before, during or after the reply."""
        turn = self._open_user_turns[0] if self._open_user_turns else self.caller_turn
        if interim:
            return [Transcript("user", text, final=False, interim=True, turn=turn)]
        self._expect_transcript(turn)
        self._with_fragments.add(turn)
        if finished:
            self._close_user_turn(turn)
        return [Transcript("user", text, finished, interim=False, turn=turn)]

    def model_generated(self) -> list[TurnEvent]:
        """``generationComplete``: nothing more is being made."""
        events = self._close_transcripts(over=False)
        if self._generation is Generation.GENERATING:
            self._generation = Generation.GENERATED
        elif self._generation is Generation.DISCARDED:
            self._generation = Generation.IDLE
        return events

    def model_interrupted(self, heard_ms: int, now: float) -> list[TurnEvent]:
        """``interrupted``: may come in mid-reply, after the turn, or for nothing."""
        events = self._close_transcripts(over=True)
        if self._generation is not Generation.IDLE:
            self._generation = Generation.CUT
            self._content_s = now
        if self._replies and self.caller_turn == self.reply_turn:
            self.caller_turn += 1
        self._is_greeting = False
        self._early_words.clear()
        return [*events, *self._cut(heard_ms), *self._rest()]

    def model_turn_complete(self) -> list[TurnEvent]:
        """``turnComplete``: closed for the service; playout may go on for seconds."""
        events: list[TurnEvent] = []
        if self._early_words and self._generation is Generation.IDLE:
            events += self._begin_reply()  # its sound never came
        events += self._close_transcripts(over=True)
        self._generation = Generation.IDLE
        self._is_greeting = False
        if self._replies:
            self._replies[-1].closed = True
            events += self._complete()
        return [*events, *self._rest()]

    def model_usage(self, usage: TokenUsage) -> None:
        """Tokens of the turn: kept for ``turn.completed``."""
        if self._replies:
            self._replies[-1].usage = usage

    # The playout

    def playout_started(self, now: float) -> list[TurnEvent]:
        """The first frame of a reply leaves."""
        reply = next((reply for reply in self._replies if not reply.playing), None)
        if reply is None:
            return []
        reply.playing = True
        if self._voiced_until_s is not None:
            reply.latency_ms = max(0, round((now - self._voiced_until_s) * 1000))
            self._voiced_until_s = None
        return self._rest()

    def playout_drained(self) -> list[TurnEvent]:
        """The last frame of a reply has left."""
        if self._replies:
            reply = self._replies[0]
            reply.sounding = reply.playing = False
        return [*self._complete(), *self._rest()]

    # Inside

    def _begin_reply(self) -> list[TurnEvent]:
        """A new reply; one that still plays is closed, whatever the service forgot."""
        events = self._close_transcripts(over=True)
        for reply in self._replies:
            reply.closed = True
        events += self._complete()
        self._generation = Generation.GENERATING
        if self._is_greeting:
            self._is_greeting = False
            self.reply_turn = 1
        else:
            self.reply_turn = max(self.caller_turn, self.reply_turn + 1)
            self.caller_turn = self.reply_turn
            self._asked_until_s = None
        self._replies.append(_Reply(self.reply_turn))
        events += [TurnStarted(self.reply_turn), *self._rest()]
        early, self._early_words = self._early_words, []
        for text, finished in early:
            events += self._words(text, finished)
        return events

    def _words(self, text: str, finished: bool) -> list[TurnEvent]:
        reply = self._replies[-1]
        reply.open_words = not finished
        return [Transcript("model", text, finished, interim=False, turn=reply.turn)]

    def _next_caller_turn(self) -> None:
        """What the caller says after a reply has begun is the next turn."""
        if self.caller_turn == self.reply_turn:
            self.caller_turn += 1
        self._early_words.clear()

    def _expect_transcript(self, turn: int) -> None:
        if turn not in self._open_user_turns:
            self._open_user_turns.append(turn)

    def _close_user_turn(self, turn: int) -> None:
        self._open_user_turns = [other for other in self._open_user_turns if other > turn]
        self._with_fragments.discard(turn)

    def _close_transcripts(self, *, over: bool) -> list[TurnEvent]:
        """``finished`` is often missing: the end of a reply ends what led to it.

        With ``over`` the service is done with the turn, and words that have not
        come by now never will.
        """
        events: list[TurnEvent] = []
        for turn in [other for other in self._open_user_turns if other <= self.reply_turn]:
            if turn in self._with_fragments:
                events.append(Transcript("user", "", final=True, interim=False, turn=turn))
            elif not over:
                continue
            self._close_user_turn(turn)
        if self._replies and self._replies[-1].open_words:
            events += self._words("", finished=True)
        return events

    def _cut(self, heard_ms: int) -> list[TurnEvent]:
        """Every reply ends here for the caller; one that waited was not heard at all."""
        events: list[TurnEvent] = []
        if self._replies and self._replies[-1].open_words:
            events += self._words("", finished=True)
        for reply in self._replies:
            events.append(TurnInterrupted(reply.turn, heard_ms if reply.playing else 0))
        self._replies.clear()
        return events

    def _complete(self) -> list[TurnEvent]:
        """What the service has closed and the caller has heard."""
        events: list[TurnEvent] = []
        while self._replies and self._replies[0].closed and not self._replies[0].sounding:
            reply = self._replies.popleft()
            events.append(TurnCompleted(reply.turn, reply.latency_ms, reply.usage))
        return events

    def _resting_state(self) -> CallState:
        if self._generation is Generation.GENERATING or any(r.sounding for r in self._replies):
            return CallState.SPEAKING
        if self._asked_until_s is not None:
            return CallState.THINKING
        return CallState.LISTENING

    def _rest(self) -> list[TurnEvent]:
        """The state that follows from all this, if it is another."""
        state = self._resting_state()
        if state is self.state or self.state is CallState.CONNECTING:
            return []
        self.state = state
        return [StateChanged(state)]
