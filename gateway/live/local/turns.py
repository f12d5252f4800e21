"""The model's turns: one reply at a time, from its first frame to ``turnComplete``.

A turn ends in one of two ways.  Left alone: all of the reply, ``generationComplete``,
the time it takes to play, ``turnComplete``.  Spoken over: ``interrupted``, then
``turnComplete``, and nothing of that reply ever again.  A blocking function call parks
a turn (3.x) or follows it (2.5), and nothing is said until it is answered or cancelled.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from gateway.live.local.effects import Close, Effect, Send, Speak
from gateway.live.local.functions import Functions
from gateway.live.local.generation import BYTES_PER_S, Generation
from gateway.live.local.house import House
from gateway.live.local.manners import Manners
from gateway.live.local.memory import Memory
from gateway.live.local.model import LocalModel
from gateway.live.local.outgoing import Frame, sizes
from gateway.live.local.phrases import Heard, understand
from gateway.live.local.reply import Reply, Turn
from gateway.live.local.settings import Settings
from gateway.live.local.speech import Speech
from gateway.live.messages import (
    FunctionResponse,
    GenerationComplete,
    Interrupted,
    SessionResumptionUpdate,
    Transcription,
    TurnComplete,
)

MAX_WAITING = 8  # things to answer while the model cannot be interrupted

# What a reply answers: something spoken, something typed, a reply that is ready, or a nudge.
Stimulus: TypeAlias = Heard | str | Reply | None


@dataclass(slots=True)
class _Open:
    """The turn in progress: ``ends_at`` is set when all was sent, ``parked`` by a call.

    ``said`` and ``sent_bytes`` are those of the speech before a parking.
    """

    speech: Speech
    said: str = ""
    sent_bytes: int = 0
    ends_at: float | None = None
    parked: bool = False


class Turns:
    """What the model does in one live session.  ``do`` takes the effects.

    ``memory`` is what was said so far, ``handles`` the resumption handles given out,
    ``consumed`` the number of client messages and ``held`` whether answers of functions
    should wait for the user to finish; the last two are set by the owner.
    """

    def __init__(
        self,
        house: House,
        manners: Manners,
        settings: Settings,
        memory: Memory,
        do: Callable[[Effect], None],
    ) -> None:
        self._house = house
        self._manners = manners
        self._model = LocalModel(settings)
        self._do = do
        self.memory = memory
        self.handles: list[str] = []
        self.consumed = 0
        self.held = False
        self._waiting = deque[Stimulus](maxlen=MAX_WAITING)
        self._open: _Open | None = None
        self._played_at = 0.0
        self._functions = Functions(house.random, with_ids=house.switches.tool_ids)
        self._late: list[Frame] = []  # transcripts that wait for the first sound
        self._tickets = itertools.count(1)

    @property
    def settings(self) -> Settings:
        return self._model.settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._model = LocalModel(settings)

    def deadline(self, now: float) -> float | None:
        """When ``advance`` is wanted next."""
        turn = self._open
        if turn is None or turn.parked:
            return None
        return turn.speech.deadline(now) if turn.ends_at is None else turn.ends_at

    # -- what the owner asks for -------------------------------------------------------

    def respond(self, stimulus: Stimulus) -> None:
        """Answer as soon as nothing else is being said."""
        self._waiting.append(stimulus)

    def show(self, text: str) -> None:
        """Send the transcript of what the user said, where it is wanted, and remember it."""
        self.memory.add(Turn("user", text))
        self._flush_late()
        if not (self.settings.input_transcription and text):
            return
        pieces = text.split(" ") if self._manners.deltas else [text]
        words = [piece if index == 0 else " " + piece for index, piece in enumerate(pieces)]
        finished = self._house.switches.transcript_finished
        self._late = [
            (Transcription("user", word, finished=finished and index == len(words) - 1),)
            for index, word in enumerate(words)
        ]
        if self._house.switches.input_transcript_order == "before":
            self._flush_late()

    def interrupt(self, now: float) -> None:
        """The user speaks over the model: what is not yet sent never will be."""
        turn, self._open = self._open, None
        self._flush_late()
        if turn is not None:
            end = self._end_frames(turn)
            match self._house.switches.interrupted_order:
                case "apart":
                    self._send((Interrupted(),))
                    self._cancel()
                    self._send(*end)
                case "same_frame":
                    self._send((Interrupted(), *end[0]), *end[1:])
                case "reversed":
                    self._send(*end, (Interrupted(),))
        elif now < self._played_at:
            self._send((Interrupted(),))
        self._cancel()
        self._played_at = now
        if turn is not None:
            self.update(resumable=True)

    def answer(self, responses: tuple[FunctionResponse, ...], now: float) -> None:
        """Functions have answered; answers nobody waits for are passed over."""
        for response in responses:
            call = self._functions.answered(response)
            if call is None:
                continue
            self.memory.read_answer(response.response)
            if call.behavior == "NON_BLOCKING" and response.scheduling != "SILENT":
                if response.scheduling == "INTERRUPT":
                    self.interrupt(now)
                self.respond(self._model.told([(call.name, response.response)]))
        if results := self._functions.collect():
            self._go_on(self._model.told(results), now)

    def spoken(self, ticket: int, pcm: bytes, now: float) -> None:
        """The voice has spoken a sentence, perhaps of a reply that is no more."""
        if self._open is not None:
            self._open.speech.spoken(ticket, pcm, now)

    def advance(self, now: float) -> None:
        """Do all that is due by ``now``."""
        while True:
            turn = self._open
            if turn is None:
                if self._functions.blocked or not self._waiting:
                    return
                if self.held and isinstance(self._waiting[0], Reply):
                    return
                reply = self._reply(self._waiting.popleft())
                self.update(resumable=False)
                self._open = _Open(self._speech(reply, now))
            elif turn.parked:
                return
            elif turn.ends_at is None:
                if not self._bring_on(turn, now):
                    return
            elif now < turn.ends_at:
                return
            else:
                self._complete(turn)

    def update(self, *, resumable: bool) -> None:
        """A handle for the conversation as it is, or word that there is none for now."""
        settings = self.settings
        if settings.handle is None or not (resumable or self._house.switches.unresumable_updates):
            return
        handle = ""
        if resumable:
            service, model = self._manners.service, settings.model
            handle = self._house.handles.issue(service, model, self.memory.conversation)
            self.handles.append(handle)
        consumed = self.consumed if settings.transparent and resumable else None
        self._send((SessionResumptionUpdate(handle, resumable, consumed),))

    # -- one turn ----------------------------------------------------------------------

    def _reply(self, stimulus: Stimulus) -> Reply:
        """What to say; the script is asked before the model."""
        if isinstance(stimulus, Reply):
            return stimulus
        memory, clock = self.memory.conversation, self._house.clock()
        if stimulus is None:
            heard = Heard(None, None, "")
        else:
            heard = understand(stimulus) if isinstance(stimulus, str) else stimulus
        if (scripted := self._house.script.reply(heard)) is not None:
            return scripted
        match stimulus:
            case None:
                reply, word = self._model.nudged(memory, clock)
            case str():
                reply, word = self._model.read(stimulus, memory, clock)
            case _:
                reply, word = self._model.reply(stimulus, memory, clock)
        self.memory.learn(word)
        return reply

    def _speech(self, reply: Reply, now: float) -> Speech:
        sound = self.settings.modality == "AUDIO"
        generation = Generation(self._manners.pace(self.settings), self._house.random)
        starts_at = now + (reply.delay_ms + self._house.switches.think_ms) / 1000
        return Speech(reply, generation, starts_at, self._tickets, sound=sound)

    def _go_on(self, reply: Reply, now: float) -> None:
        """The turn that waited for functions goes on with ``reply``, or a new one begins."""
        turn = self._open
        if turn is None or not turn.parked:
            self._waiting.appendleft(reply)
            return
        before = turn.speech.generation
        turn.said += before.said
        turn.sent_bytes += before.sent_bytes
        turn.speech = self._speech(reply, now)
        turn.speech.generation.played_at = before.played_at
        turn.parked = False

    def _bring_on(self, turn: _Open, now: float) -> bool:
        """Send what is due of the reply; ``True`` when its end has been reached."""
        self._ask(turn.speech, now)
        frames = turn.speech.pull(now)
        self._ask(turn.speech, now)
        complete, calls = turn.speech.complete, turn.speech.reply.calls
        closing = turn.speech.closing(now)
        last: Frame = ()
        same = self._house.switches.turn_complete == "same_frame"
        if frames and complete and same and not calls and closing is None:
            last = frames.pop()
        self._send(*frames)
        if sizes(frames):
            self._flush_late()
        if closing is not None:
            self._do(Close(closing.code, closing.reason))
            return False
        if not complete:
            return False
        if calls:
            return self._call(turn)
        self._generated(turn, last, now)
        return True

    def _ask(self, speech: Speech, now: float) -> None:
        for ticket, text in speech.ask(now):
            self._do(Speak(ticket, text, self.settings.voice, self.settings.language))

    def _call(self, turn: _Open) -> bool:
        """Call functions when all else of the reply is out; ``True`` if the turn is over."""
        self._send(
            (
                self._functions.open(
                    turn.speech.reply.calls,
                    lambda name: self._manners.behavior(self._model.function(name)),
                ),
            )
        )
        turn.parked = self._functions.blocked and not self._manners.call_ends_turn
        if not turn.parked:
            self._complete(turn)
        return not turn.parked

    def _generated(self, turn: _Open, last: Frame, now: float) -> None:
        """All of the reply is out."""
        switches = self._house.switches
        if switches.transcript_finished and self.settings.output_transcription:
            self._send((Transcription("model", "", finished=True),))
        if switches.turn_complete == "same_frame":
            self._complete(turn, (*last, GenerationComplete()))
            return
        self._send((GenerationComplete(),))
        at_once = switches.turn_complete == "at_once"
        turn.ends_at = now if at_once else max(now, turn.speech.generation.played_at)

    def _complete(self, turn: _Open, before: Frame = ()) -> None:
        self._open = None
        self._played_at = turn.speech.generation.played_at
        self._flush_late()
        first, *rest = self._end_frames(turn)
        self._send((*before, *first), *rest)
        self.update(resumable=True)

    def _end_frames(self, turn: _Open) -> list[Frame]:
        """``turnComplete`` with the usage of a turn, which is now history."""
        generation, sound = turn.speech.generation, self.settings.modality == "AUDIO"
        spoken_ms = (turn.sent_bytes + generation.sent_bytes) * 1000 // BYTES_PER_S
        said = turn.said + generation.said
        tokens = self.memory.say(said, spoken_ms if sound else None, self.settings.instructions)
        if self._house.switches.usage == "none":
            return [(TurnComplete(),)]
        if self._house.switches.usage_alone:
            return [(TurnComplete(),), (tokens,)]
        return [(TurnComplete(), tokens)]

    # -- sending -----------------------------------------------------------------------

    def _cancel(self) -> None:
        if (cancellation := self._functions.cancel()) is not None:
            self._send((cancellation,))

    def _send(self, *frames: Frame) -> None:
        for frame in frames:
            self._do(Send(frame))

    def _flush_late(self) -> None:
        frames, self._late = self._late, []
        self._send(*frames)
