"""A reply on its way out: sentences in, frames out, at the pace of the service.

The service makes sound faster than it plays.  Each sentence is cut into chunks when it
has been spoken; a chunk may leave when the time line of what left before, shrunk by the
burst factor, has passed.  What the client hears is reckoned beside it: as if every chunk
were played when it came, or after the one before.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from random import Random
from typing import Literal

from gateway.live.local.outgoing import Frame
from gateway.live.messages import OUTPUT_RATE_HZ, AudioChunk, LiveEvent, TextChunk, Transcription

BYTES_PER_S = OUTPUT_RATE_HZ * 2
_WORDS = re.compile(r"\s*\S{1,24}")  # long runs, as in scripts without spaces, are cut


@dataclass(frozen=True, slots=True)
class Pace:
    """How a reply is cut and sent; the fields are those of ``Switches``."""

    chunk_ms: int = 40
    chunk_spread: float = 0.0
    burst_factor: float = 4.0
    transcribe: bool = True
    transcript: Literal["before", "with", "after"] = "with"
    bundle: bool = False
    sound: bool = True


@dataclass(frozen=True, slots=True)
class _Chunk:
    pcm: bytes
    text: str


class Generation:
    """One reply.  ``add`` each sentence, ``end`` after the last, ``pull`` what is due.

    ``now`` is any monotonic time in seconds.  ``said`` is the text that was sent so far,
    ``sent_bytes`` the sound, ``played_at`` the time at which a client that plays at once
    has played all of it.
    """

    def __init__(self, pace: Pace, random: Random) -> None:
        self._pace = pace
        self._random = random
        self._chunks: deque[_Chunk] = deque()
        self._next_at = 0.0
        self._begun = False
        self._ended = False
        self.said = ""
        self.sent_bytes = 0
        self.unsent_bytes = 0
        self.played_at = 0.0

    @property
    def complete(self) -> bool:
        """Every sentence was added and everything was sent."""
        return self._ended and not self._chunks

    @property
    def deadline(self) -> float | None:
        """When the next chunk may leave."""
        return self._next_at if self._chunks else None

    def add(self, text: str, pcm: bytes, now: float) -> None:
        """The next sentence and its sound, 24 kHz mono s16le; without sound only its text."""
        assert not self._ended, "a sentence after the last"
        if not self._chunks:
            self._next_at = max(self._next_at, now)
        lead = " " if self._begun and not text.startswith((" ", "\n")) else ""
        self._begun = True
        self._chunks.extend(self._cut(lead + text if text else "", pcm))
        self.unsent_bytes += len(pcm)

    def end(self) -> None:
        """There are no more sentences."""
        self._ended = True

    def pull(self, now: float, most_bytes: int | None = None) -> list[Frame]:
        """The frames that may leave by ``now``, until ``most_bytes`` of sound were sent."""
        frames: list[Frame] = []
        while self._chunks and self._next_at <= now:
            if most_bytes is not None and self.sent_bytes >= most_bytes:
                break
            chunk = self._chunks.popleft()
            duration_s = len(chunk.pcm) / BYTES_PER_S
            self._next_at += duration_s / self._pace.burst_factor
            self.played_at = max(self.played_at, now) + duration_s
            self.said += chunk.text
            self.sent_bytes += len(chunk.pcm)
            self.unsent_bytes -= len(chunk.pcm)
            frames.extend(self._frames(chunk))
        return frames

    def _frames(self, chunk: _Chunk) -> list[Frame]:
        if not self._pace.sound:
            return [(TextChunk(chunk.text),)] if chunk.text else []
        events: list[LiveEvent] = [AudioChunk(chunk.pcm)] if chunk.pcm else []
        if chunk.text and self._pace.transcribe:
            place = 0 if self._pace.transcript == "before" else len(events)
            events.insert(place, Transcription("model", chunk.text))
        if self._pace.bundle:
            return [tuple(events)] if events else []
        return [(event,) for event in events]

    def _cut(self, text: str, pcm: bytes) -> list[_Chunk]:
        """``pcm`` in chunks, each with the words that begin in it."""
        sizes = list(self._sizes(len(pcm)))
        if not sizes:
            return [_Chunk(b"", text)] if text else []
        texts = self._spread(text, sizes)
        chunks: list[_Chunk] = []
        position = 0
        for size, words in zip(sizes, texts, strict=True):
            chunks.append(_Chunk(pcm[position : position + size], words))
            position += size
        return chunks

    def _sizes(self, total: int) -> list[int]:
        """Chunk sizes in bytes, whole samples, that add up to ``total``."""
        sizes: list[int] = []
        mean = self._pace.chunk_ms * OUTPUT_RATE_HZ // 1000
        spread = min(self._pace.chunk_spread, 1.0)
        while total > 0:
            samples = round(mean * (1 + spread * self._random.uniform(-1, 1)))
            sizes.append(min(total, max(samples, 24) * 2))
            total -= sizes[-1]
        return sizes

    def _spread(self, text: str, sizes: list[int]) -> list[str]:
        """``text`` over chunks of these sizes: in step, or all with the first or last."""
        texts = [""] * len(sizes)
        if self._pace.transcript == "before":
            texts[0] = text
        elif self._pace.transcript == "after":
            texts[-1] = text
        else:
            total, length, begun = sum(sizes), max(len(text), 1), 0
            index, end = 0, sizes[0]
            for word in _WORDS.findall(text):
                while begun / length * total >= end and index < len(sizes) - 1:
                    index += 1
                    end += sizes[index]
                texts[index] += word
                begun += len(word)
        return texts


def tone(duration_ms: int, hz: float) -> bytes:
    """A sine at -20 dBFS, 24 kHz mono s16le."""
    import numpy as np

    time_s = np.arange(duration_ms * OUTPUT_RATE_HZ // 1000) / OUTPUT_RATE_HZ
    return (np.sin(2 * np.pi * hz * time_s) * 3277).astype("<i2").tobytes()


def silence(duration_ms: int) -> bytes:
    """Nothing, 24 kHz mono s16le."""
    return bytes(duration_ms * OUTPUT_RATE_HZ // 1000 * 2)
