"""One reply being spoken: sentences go out to the voice and come back as sound, in order.

At most two sentences are with the voice at once, and none while ten seconds of sound
wait to be sent: a long story costs the memory of a short one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.live.local.generation import BYTES_PER_S, Generation, silence, tone
from gateway.live.local.outgoing import Frame
from gateway.live.local.reply import Closing, Reply, Sentence

_AHEAD = 2
_ENOUGH_BYTES = 10 * BYTES_PER_S


@dataclass(slots=True)
class _Asked:
    ticket: int
    sentence: Sentence
    pcm: bytes | None = None


class Speech:
    """``reply`` on its way through ``generation``, beginning at ``starts_at``.

    Without ``sound`` nothing is asked of the voice and only text is sent.
    """

    def __init__(
        self,
        reply: Reply,
        generation: Generation,
        starts_at: float,
        tickets: Iterator[int],
        *,
        sound: bool = True,
    ) -> None:
        self.reply = reply
        self.generation = generation
        self._starts_at = starts_at
        self._tickets = tickets
        self._sound = sound
        self._todo = deque(reply.sentences)
        self._asked: deque[_Asked] = deque()
        self._ended = False

    @property
    def complete(self) -> bool:
        """All of it was sent."""
        return self._ended and self.generation.complete

    def closing(self, now: float) -> Closing | None:
        """The close that is due."""
        closing = self.reply.closing
        if closing is None or now < self._starts_at:
            return None
        sent_ms = self.generation.sent_bytes * 1000 // BYTES_PER_S
        return closing if self.complete or sent_ms >= closing.at_ms else None

    def deadline(self, now: float) -> float | None:
        """When to pull next; ``None`` while only the voice can bring it on."""
        if now < self._starts_at:
            return self._starts_at
        return self.generation.deadline

    def ask(self, now: float) -> list[tuple[int, str]]:
        """Tickets and texts the voice should speak next."""
        wanted: list[tuple[int, str]] = []
        while self._todo and len(self._asked) < _AHEAD:
            if self.generation.unsent_bytes > _ENOUGH_BYTES:
                break
            sentence = self._todo.popleft()
            asked = _Asked(next(self._tickets), sentence, self._made(sentence))
            self._asked.append(asked)
            if asked.pcm is None:
                wanted.append((asked.ticket, sentence.text))
            else:
                self._collect(now)
        self._collect(now)
        return wanted

    def spoken(self, ticket: int, pcm: bytes, now: float) -> bool:
        """The voice has spoken; ``False`` when that was for somebody else."""
        for asked in self._asked:
            if asked.ticket == ticket:
                asked.pcm = pcm
                self._collect(now)
                return True
        return False

    def pull(self, now: float) -> list[Frame]:
        """The frames that may leave by ``now``."""
        if now < self._starts_at:
            return []
        closing = self.reply.closing
        most = None if closing is None else closing.at_ms * BYTES_PER_S // 1000
        return self.generation.pull(now, most)

    def _made(self, sentence: Sentence) -> bytes | None:
        """The sound of a sentence that needs no voice."""
        if not self._sound:
            return b""
        if sentence.tone_ms:
            return tone(sentence.tone_ms, sentence.tone_hz)
        return None if sentence.text.strip() else b""

    def _collect(self, now: float) -> None:
        """Move what has been spoken to the generation, in order."""
        at = max(now, self._starts_at)
        while self._asked and (pcm := self._asked[0].pcm) is not None:
            sentence = self._asked.popleft().sentence
            pause = silence(sentence.pause_ms) if self._sound else b""
            self.generation.add(sentence.text, pcm + pause, at)
        if not self._todo and not self._asked and now >= self._starts_at and not self._ended:
            self._ended = True
            self.generation.end()
