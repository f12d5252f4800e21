"""The life of one live session on the service's side, without I/O.

Frames go in, effects come out: messages to send, sound to recognize, sentences to speak,
the close at the end.  Time is passed in as ``now`` (monotonic seconds), and ``deadline``
says when ``tick`` is wanted next.  So a test can say "the model speaks for 3 s and is
interrupted at 1.2 s" without waiting for either.

Here are the beginning and the end: setup, ``goAway``, close.  What comes between is the
client's side in ``inputs`` and the model's in ``turns``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gateway.live.local.effects import Close, Effect, Send
from gateway.live.local.house import House
from gateway.live.local.inputs import Inputs
from gateway.live.local.manners import Manners, life_close
from gateway.live.local.phrases import Heard, understand
from gateway.live.local.refusal import NOT_FOUND, POLICY, Refusal, invalid_argument
from gateway.live.local.reply import Conversation
from gateway.live.local.rules import Place, check_setup, find_model
from gateway.live.local.schema import Said, decode_client
from gateway.live.local.settings import Settings
from gateway.live.local.typed import plain
from gateway.live.messages import ClientContent, Content, GoAway, RealtimeText, Setup, TextPart


class Dialogue:
    """One connection, from its opening at ``now`` to its :class:`Close`.

    Every method returns what is to be done, in order; after a ``Close`` nothing is.
    ``refusal`` is what the setup is answered with when the client may not come in;
    ``listener`` is told everything that was said.
    """

    def __init__(
        self,
        house: House,
        place: Place,
        now: float,
        *,
        refusal: Refusal | None = None,
        listener: Callable[[Said], None] | None = None,
    ) -> None:
        self._house = house
        self._place = place
        self._absent = house.switches.absent(place.service)
        self._refusal = refusal
        self._listener = listener
        self._life = _Life(house, place, now)
        self._effects: list[Effect] = []
        self._inputs: Inputs | None = None
        self.closed = False

    @property
    def settings(self) -> Settings | None:
        """What the setup asked for; ``None`` before it."""
        return self._inputs.turns.settings if self._inputs else None

    @property
    def memory(self) -> Conversation:
        """What has been said so far."""
        return self._inputs.memory.conversation if self._inputs else Conversation()

    def deadline(self, now: float) -> float | None:
        """When ``tick`` is wanted, if nothing else happens first."""
        if self.closed:
            return None
        times = [self._life.deadline]
        if self._inputs:
            times.append(self._inputs.deadline(now))
        return min((time for time in times if time is not None), default=None)

    # -- what happens ------------------------------------------------------------------

    def receive_frame(self, frame: str | bytes, now: float) -> list[Effect]:
        """A WebSocket message came."""
        switches = self._house.switches
        try:
            said = decode_client(
                frame,
                self._place.service,
                strict=switches.strict,
                absent=self._absent,
                several=switches.several_inputs,
            )
        except Refusal as refusal:
            self._do(Close(refusal.code, refusal.reason))
            return self._done(now)
        return self.receive(*said, now=now)

    def receive(self, *said: Said, now: float) -> list[Effect]:
        """A message came that has been read already."""
        try:
            for message in said:
                if self._listener is not None:
                    self._listener(message)
                self._take(message, now)
        except Refusal as refusal:
            self._do(Close(refusal.code, refusal.reason))
        return self._done(now)

    def heard(self, ticket: int, heard: Heard, now: float) -> list[Effect]:
        """The utterance of ``ticket`` has been recognized."""
        if self._inputs:
            self._inputs.heard(ticket, heard)
        return self._done(now)

    def spoken(self, ticket: int, pcm: bytes, now: float) -> list[Effect]:
        """The sentence of ``ticket`` has been spoken: 24 kHz mono s16le."""
        if self._inputs:
            self._inputs.turns.spoken(ticket, pcm, now)
        return self._done(now)

    def tick(self, now: float) -> list[Effect]:
        """Time has passed."""
        return self._done(now)

    def end(self, now: float) -> None:
        """The connection is gone: its handles begin to age."""
        self.closed = True
        if self._inputs:
            self._inputs.left(now)

    # -- inside ------------------------------------------------------------------------

    def _take(self, message: Said, now: float) -> None:
        if self._inputs is None:
            if not isinstance(message, Setup):
                raise invalid_argument()
            self._inputs = self._set_up(message, now)
        elif isinstance(message, Setup):
            raise invalid_argument()
        else:
            self._inputs.take(self._plain(message), now)

    def _plain(self, message: Said) -> Said:
        """Typed text as the phrase it means, where the script has no answer to it as it is."""
        match message:
            case RealtimeText(text):
                return RealtimeText(self._phrase(text))
            case ClientContent(turns=(*before, Content("user", (TextPart(text),)))):
                asked = Content("user", (TextPart(self._phrase(text)),))
                return replace(message, turns=(*before, asked))
            case _:
                return message

    def _phrase(self, text: str) -> str:
        scripted = self._house.script.reply(understand(text)) is not None
        return text if scripted else plain(text)

    def _set_up(self, setup: Setup, now: float) -> Inputs:
        house, place, fields = self._house, self._place, setup.fields
        if self._refusal is not None:
            raise self._refusal
        model = find_model(fields, place, house.catalog, house.switches)
        check_setup(fields, model, place, house.catalog)
        settings = Settings.read(fields, place.service, house.switches)
        memory = Conversation()
        if settings.handle:
            found = house.handles.redeem(settings.handle, place.service, settings.model, now)
            if found is None:
                raise Refusal(POLICY, NOT_FOUND)
            memory = found
        if house.script.refuse is not None:
            raise Refusal(house.script.refuse.code, house.script.refuse.reason)
        manners = Manners(place.service, model, house.switches)
        return Inputs(house, manners, settings, memory, self._do, now)

    def _done(self, now: float) -> list[Effect]:
        """Bring everything forward to ``now`` and hand over what is to be done."""
        if self._inputs and not self.closed:
            self._inputs.advance(now)
            if self._inputs.ready:
                self._life.begin(now)
        for effect in self._life.due(now):
            self._do(effect)
        effects, self._effects = self._effects, []
        return effects

    def _do(self, effect: Effect) -> None:
        if not self.closed:
            self.closed = isinstance(effect, Close)
            self._effects.append(effect)


class _Life:
    """How long a connection lasts: ``goAway``, then the close, or what the script says."""

    def __init__(self, house: House, place: Place, now: float) -> None:
        switches = house.switches
        life_s = switches.connection_life_s
        self._script = house.script.close
        self._close = life_close(place.service, switches)
        self._ends_at = now + life_s if life_s else None
        self._go_away_at: float | None = None
        self._go_away_s = switches.go_away_s if life_s else 0.0
        self._script_at: float | None = None
        self._begun = False

    def begin(self, now: float) -> None:
        """The setup is complete: from now on there is something to announce."""
        if self._begun:
            return
        self._begun = True
        if self._ends_at is not None and self._go_away_s:
            self._go_away_at = max(now, self._ends_at - self._go_away_s)
        if self._script is not None:
            self._script_at = now + self._script.at_ms / 1000

    @property
    def deadline(self) -> float | None:
        times = (self._ends_at, self._go_away_at, self._script_at)
        return min((time for time in times if time is not None), default=None)

    def due(self, now: float) -> list[Effect]:
        effects: list[Effect] = []
        if self._script is not None and self._script_at is not None and now >= self._script_at:
            effects.append(Close(self._script.code, self._script.reason))
        if self._ends_at is not None:
            if now >= self._ends_at:
                effects.append(Close(*self._close))
            elif self._go_away_at is not None and now >= self._go_away_at:
                self._go_away_at = None
                effects.append(Send((GoAway(round(self._ends_at - now, 3)),)))
        return effects
