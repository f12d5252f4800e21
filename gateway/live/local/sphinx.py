"""One utterance to words, or to nothing: a program of its own around pocketsphinx.

    python -P sphinx.py < requests > answers

The first line of the requests is the word graph to listen for, as JSON ``[states, start,
final, [[from, to, word], …]]``; the answer is the line ``ready``.  Then each request is a
length in four bytes, big-endian, and as many bytes of 16 kHz mono s16le PCM; the answer is
a line of words, empty when the utterance is none of the sentences.

A graph makes a sentence out of any sound.  What was really said is told from what was not
by decoding twice: along the graph, and as any row of phones.  Words that were said are
about as likely as the best row of phones, made-up words are much less likely.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import numpy as np

    Samples = np.ndarray[tuple[int], np.dtype[np.float64]]

RATE_HZ = 16_000
SIZE_BYTES = 4
READY = "ready"

_LONGEST_S = 12  # nothing worth listening for takes longer to say
_FRAME_SAMPLES = RATE_HZ // 50
_LEVEL = 10 ** (-20 / 20) * 32_768
_HISS = 10 ** (-50 / 20) * 32_768
_SENONE_SCALE = 1024  # pocketsphinx keeps phone scores divided by this
_NO_PHONES = frozenset({"SIL", "+NSN+", "+SPN+"})
# Fitted to a thousand sentences of synthetic speech; `python -m bench.ears` measures them.
_SURPLUS_WEIGHT = 0.3
_STRANGEST = 3.1
_LEAST_LOSS = -1.0
_FASTEST_MS, _SLOWEST_MS = 50, 250  # speech has 70 to 200
_FLOOR = -745.0  # the logarithm of what a float cannot hold


@dataclass(frozen=True, slots=True)
class Match:
    """A sentence, and how far the sound is from it.

    ``loss`` is how much likelier the best row of phones is, in nepers a frame of 10 ms.
    ``surplus`` is how many phones that row has beyond the sentence's own, against the
    square root of their number, because a count varies by that much by itself.
    ``phone_ms`` is how long a phone of the sentence takes on average.
    """

    words: str
    loss: float
    surplus: float
    phone_ms: float

    @property
    def strangeness(self) -> float:
        """Low when the words were said, high when they were made up."""
        return self.loss + _SURPLUS_WEIGHT * self.surplus

    @property
    def was_said(self) -> bool:
        """Whether to believe it.

        Noise and music can fit a sentence well, but at no pace that anybody speaks, or
        better than speech ever does.
        """
        return (
            self.strangeness <= _STRANGEST
            and self.loss >= _LEAST_LOSS
            and _FASTEST_MS <= self.phone_ms <= _SLOWEST_MS
        )


class Decoder:
    """pocketsphinx with its US English model, listening for the sentences of a graph."""

    def __init__(
        self, states: int, start: int, final: int, arcs: list[tuple[int, int, str | None]]
    ) -> None:
        import numpy as np
        import pocketsphinx

        self._decoder = decoder = pocketsphinx.Decoder(
            lm=None,
            loglevel="FATAL",
            cmn="batch",  # each utterance by itself, whatever came before
            beam=1e-60,
            pbeam=1e-60,
            wbeam=1e-40,
            maxhmmpf=-1,
            bestpath=False,
            lw=1.0,
            wip=1.0,
            pip=1.0,
        )
        transitions = [
            (begin, to, 1.0, word) if word else (begin, to, 1.0) for begin, to, word in arcs
        ]
        decoder.add_fsg("graph", decoder.create_fsg("graph", start, final, transitions))
        decoder.add_allphone_file("phones", None)
        self._hiss = _pink(np.random.default_rng(1), _LONGEST_S * RATE_HZ) * _HISS

    def words(self, pcm: bytes) -> str:
        """The sentence in ``pcm``, empty when it is none of the graph's."""
        match = self.match(pcm)
        return match.words if match is not None and match.was_said else ""

    def match(self, pcm: bytes) -> Match | None:
        """The likeliest sentence and what speaks for it; ``None`` without a sound in ``pcm``."""
        prepared = self._prepare(pcm)
        if prepared is None:
            return None
        words, score, spoken = self._search("graph", prepared)
        if not words:
            return None
        _, free_score, phones = self._search("phones", prepared)
        voiced = [segment for segment in spoken if segment.word[0] not in "<[("]
        frames = voiced[-1].end_frame - voiced[0].start_frame + 1
        heard = sum(phone.word not in _NO_PHONES for phone in phones)
        expected = sum(
            len(self._decoder.lookup_word(segment.word.partition("(")[0]).split())
            for segment in voiced
        )
        return Match(
            words,
            loss=(free_score - score) / frames,
            surplus=(heard - expected) / math.sqrt(expected),
            phone_ms=10 * frames / expected,
        )

    def _prepare(self, pcm: bytes) -> bytes | None:
        """At an even level and with a hiss, ``None`` when there is nothing to decode.

        The model was trained on rooms, not on synthesizers: it takes digital silence for
        nothing it knows, and mishears half of what stands next to it.
        """
        import numpy as np

        samples = np.frombuffer(pcm[: len(pcm) & ~1], dtype=np.int16).astype(np.float64)
        whole = samples.size // _FRAME_SAMPLES * _FRAME_SAMPLES
        if not whole or samples.size > self._hiss.size:
            return None
        power = (samples[:whole].reshape(-1, _FRAME_SAMPLES) ** 2).mean(axis=1)
        if not power.max():
            return None
        level = math.sqrt(power[power >= power.max() / 1000].mean())
        loud = samples * (_LEVEL / level) + self._hiss[: samples.size]
        return np.clip(np.rint(loud), -32_768, 32_767).astype(np.int16).tobytes()

    def _search(self, search: str, pcm: bytes) -> tuple[str, float, list[Any]]:
        decoder = self._decoder
        decoder.activate_search(search)
        decoder.start_utt()
        decoder.process_raw(pcm, no_search=False, full_utt=True)
        decoder.end_utt()
        found = decoder.hyp()
        if found is None or not found.hypstr:
            return "", 0.0, []
        return found.hypstr, _log(found.score) * _SENONE_SCALE, list(decoder.seg())


def _log(probability: float) -> float:
    return math.log(probability) if probability > 0 else _FLOOR


def _pink(random: np.random.Generator, samples: int) -> Samples:
    """Noise that falls by 3 dB an octave above 100 Hz, with a mean square of 1."""
    import numpy as np

    spectrum = np.fft.rfft(random.normal(size=samples))
    spectrum /= np.sqrt(np.maximum(np.fft.rfftfreq(samples, 1 / RATE_HZ), 100))
    noise = np.fft.irfft(spectrum, samples)
    even: Samples = noise / noise.std()
    return even


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are none left."""
    states, start, final, arcs = json.loads(requests.readline())
    decoder = Decoder(states, start, final, arcs)
    line = READY
    while True:
        answers.write(line.encode() + b"\n")
        answers.flush()
        size = requests.read(SIZE_BYTES)
        if len(size) < SIZE_BYTES:
            return
        line = decoder.words(requests.read(int.from_bytes(size, "big")))


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
