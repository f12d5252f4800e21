"""The client's side of a live session: what it may say now, and what that means.

Sound becomes utterances, an utterance is recognized, and what was understood is answered
unless the user has gone on speaking meanwhile.  Where speech begins, the model is cut
off, if the setup lets it be.  Text, pictures and function results go their straight way.
"""

from __future__ import annotations

import itertools
import re
from collections import deque
from collections.abc import Callable

from gateway.live.local.ears import EarsEvent, UtteranceEnded, UtteranceStarted
from gateway.live.local.effects import Effect, Recognize, Send
from gateway.live.local.house import House
from gateway.live.local.languages import is_english
from gateway.live.local.manners import Manners
from gateway.live.local.memory import Memory
from gateway.live.local.phrases import Heard
from gateway.live.local.refusal import INVALID_DATA, Refusal, invalid_argument
from gateway.live.local.reply import Conversation, Turn
from gateway.live.local.rules import lacks_affective
from gateway.live.local.schema import ContextUpdate, Said
from gateway.live.local.settings import Settings
from gateway.live.local.turns import Turns
from gateway.live.messages import (
    ActivityEnd,
    ActivityStart,
    AudioStreamEnd,
    BlobPart,
    ClientContent,
    Content,
    RealtimeAudio,
    RealtimeText,
    RealtimeVideo,
    SetupComplete,
    TextPart,
    ToolResponse,
    VoiceActivity,
)

_NOT_MANUAL = (
    "Explicit activity control is not supported when automatic activity detection is enabled."
)
MAX_LISTENING = 8  # utterances being recognized at once
_NOTHING = Heard(None, None, "")
_WORD = re.compile(r"\w")


class Inputs:
    """A live session whose setup was accepted at ``now``; ``do`` takes the effects.

    ``ready`` is set when ``setupComplete`` has been sent; anything before it is refused.
    """

    def __init__(
        self,
        house: House,
        manners: Manners,
        settings: Settings,
        conversation: Conversation,
        do: Callable[[Effect], None],
        now: float,
    ) -> None:
        self._house = house
        self._manners = manners
        self._do = do
        self.memory = Memory(conversation)
        self.turns = Turns(house, manners, settings, self.memory, do)
        self.ready = False
        self._ready_at = now + house.script.setup_ms / 1000
        self._hearing = house.hearing(settings.detection)
        self._history_open = settings.initial_history
        self._user_speaks = False
        self._tickets = itertools.count(1)
        self._listening = deque[int]()  # utterances being recognized, in order
        self._results: dict[int, Heard] = {}
        self._unanswered: Heard | None = None

    def deadline(self, now: float) -> float | None:
        """When ``advance`` is wanted next."""
        return self.turns.deadline(now) if self.ready else self._ready_at

    def advance(self, now: float) -> None:
        """Do all that is due by ``now``."""
        if not self.ready and now >= self._ready_at:
            self.ready = True
            named = self._manners.session_id
            session_id = f"{self._house.random.getrandbits(64):016x}" if named else None
            self._do(Send((SetupComplete(session_id),)))
            self.turns.update(resumable=True)
        if self.ready:
            self.turns.advance(now)

    def left(self, now: float) -> None:
        """The connection is gone."""
        good_until = now + self._manners.handle_life_s
        self._house.handles.left(self.turns.handles, good_until)

    def take(self, message: Said, now: float) -> None:
        """Something the client says.  Raises :exc:`Refusal` when it may not."""
        settings = self.turns.settings
        if not self.ready or lacks_affective(settings, self._manners.model):
            raise invalid_argument()
        self.turns.consumed += 1
        match message:
            case RealtimeAudio(pcm, rate_hz):
                self._hear(self._hearing.push(pcm, rate_hz), now)
            case ActivityStart() | ActivityEnd() if self._hearing.automatic:
                raise Refusal(INVALID_DATA, _NOT_MANUAL)
            case ActivityStart():
                self._hear(self._hearing.activity_start(), now)
            case ActivityEnd():
                self._hear(self._hearing.activity_end(), now)
            case AudioStreamEnd():
                if not self._hearing.automatic:
                    raise invalid_argument()
                self._hear(self._hearing.flush(), now)
            case RealtimeVideo(data):
                self.memory.see(data)
            case RealtimeText(text):
                self._read(text, now)
            case ClientContent():
                self._client_content(message, now)
            case ToolResponse(responses):
                self.turns.answer(responses, now)
            case ContextUpdate(instructions, tools):
                self.turns.settings = settings.updated(instructions, tools)
            case _:
                raise invalid_argument()

    def heard(self, ticket: int, heard: Heard) -> None:
        """An utterance has been recognized; utterances are dealt with in order."""
        self._results[ticket] = heard
        while self._listening and self._listening[0] in self._results:
            self._understood(self._results.pop(self._listening.popleft()))

    # -- speech ------------------------------------------------------------------------

    def _hear(self, events: list[EarsEvent], now: float) -> None:
        for event in events:
            match event:
                case UtteranceStarted(at_ms):
                    self._user_speaks = True
                    self._signal(True, at_ms)
                    if self.turns.settings.interruptible:
                        self.turns.held = True
                        self.turns.interrupt(now)
                case UtteranceEnded(at_ms, pcm):
                    self._user_speaks = self.turns.held = False
                    self._signal(False, at_ms)
                    self._recognize(pcm)

    def _signal(self, started: bool, at_ms: int) -> None:
        if self.turns.settings.voice_activity:
            self._do(Send((VoiceActivity(started, at_ms / 1000),)))

    def _recognize(self, pcm: bytes) -> None:
        self.memory.hear(pcm)
        ticket = next(self._tickets)
        self._listening.append(ticket)
        able = self._house.script.recognize and is_english(self.turns.settings.language)
        if able and len(self._listening) <= MAX_LISTENING:
            self._do(Recognize(ticket, pcm))
        else:
            self.heard(ticket, _NOTHING)

    def _understood(self, heard: Heard) -> None:
        """Answer the last that was understood, when the user has stopped speaking."""
        self.turns.show(heard.text)
        if heard.text or self._unanswered is None:
            self._unanswered = heard
        goes_on = self._user_speaks and self.turns.settings.interruptible
        if not goes_on and not self._listening:
            self.turns.respond(self._unanswered)
            self._unanswered = None

    # -- everything else ---------------------------------------------------------------

    def _read(self, text: str, now: float) -> None:
        """Typed text counts as activity of the user."""
        self.memory.read(text)
        if self.turns.settings.interruptible:
            self.turns.interrupt(now)
        self.memory.add(Turn("user", text if _WORD.search(text) else ""))
        self.turns.respond(text if _WORD.search(text) else None)

    def _client_content(self, content: ClientContent, now: float) -> None:
        allowed = self._manners.client_content
        if allowed == "never" or (allowed == "initial" and not self._history_open):
            raise invalid_argument()
        turns = [Turn(turn.role, self._text(turn)) for turn in content.turns]
        if self._history_open:
            self.memory.add(*turns)
            self._history_open = not content.turn_complete
            return
        if content.turn_complete and turns and turns[-1].role == "model" and not self._manners.is_3:
            raise invalid_argument()
        self.turns.interrupt(now)
        self.memory.add(*turns)
        if content.turn_complete:
            asked = turns[-1].text if turns and turns[-1].role == "user" else ""
            self.turns.respond(asked if _WORD.search(asked) else None)

    def _text(self, turn: Content) -> str:
        """The text of a turn; its pictures are looked at."""
        texts: list[str] = []
        for part in turn.parts:
            match part:
                case TextPart(text):
                    texts.append(text)
                case BlobPart(data, mime_type):
                    if mime_type.startswith("image/"):
                        self.memory.see(data)
        text = "\n".join(texts)
        self.memory.read(text)
        return text
