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

_REST_SAMPLES = RATE_HZ // 2
_LONGEST_S = 12  # nothing worth listening for takes longer to say
_FRAME_SAMPLES = RATE_HZ // 50
_LEVEL = 10 ** (-20 / 20) * 32_768
_HISS = 10 ** (-50 / 20) * 32_768
_SENONE_SCALE = 1024  # pocketsphinx keeps phone scores divided by this
_PACKET_SAMPLES = RATE_HZ // 50
_CHANCE_SAMPLES = 2  # zeros of the sound itself at the edge of a gap
_NO_PHONES = frozenset({"SIL", "+NSN+", "+SPN+"})
# Fitted to a thousand sentences of synthetic speech; `python -m bench.ears` measures them.
_SURPLUS_WEIGHT = 4.0
_STRANGEST = 38.0
_LEAST_STRANGE = -10.0
_WORST_WORD = 7.5  # nepers a frame
_SHORTEST_WORD = 5  # frames: less says nothing
_FASTEST_PHONE, _SLOWEST_PHONE, _LAST_SYLLABLE = 6, 18, 25  # frames of 10 ms
_FLOOR = -745.0  # the logarithm of what a float cannot hold


@dataclass(frozen=True, slots=True)
class Match:
    """A sentence, and what speaks for it.

    ``loss`` is how much likelier the best row of phones is, in nepers; ``surplus`` is how
    many phones that row has beyond the ``phones`` of the sentence, which take ``frames``
    of 10 ms from the first to the last.  ``worst`` is the loss of the word that has most of
    it, in nepers a frame.
    """

    words: str
    loss: float
    surplus: int
    phones: int
    frames: int
    worst: float

    @property
    def strangeness(self) -> float:
        """Low when the words were said, high when they were made up.

        Chance alone moves a sum by the square root of its length, so both are measured by
        that: a word is believed as easily as a long sentence.
        """
        loss = self.loss / math.sqrt(self.frames)
        return loss + _SURPLUS_WEIGHT * self.surplus / math.sqrt(self.phones)

    @property
    def is_at_a_pace_of_speech(self) -> bool:
        """No faster and no slower than people say that many phones."""
        slowest = _SLOWEST_PHONE * self.phones + _LAST_SYLLABLE
        return _FASTEST_PHONE * self.phones <= self.frames <= slowest

    @property
    def was_said(self) -> bool:
        """Whether to believe it.  Noise fits some sentence better than any speech does."""
        is_likely = _LEAST_STRANGE <= self.strangeness <= _STRANGEST
        return is_likely and self.worst <= _WORST_WORD and self.is_at_a_pace_of_speech


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
            bestpath=False,  # it finds beginnings of sentences, too
            lw=1.0,
            wip=1.0,
            pip=1.0,
            silprob=1.0,
        )
        transitions = [
            (begin, to, 1.0, word) if word else (begin, to, 1.0) for begin, to, word in arcs
        ]
        decoder.add_fsg("graph", decoder.create_fsg("graph", start, final, transitions))
        decoder.add_allphone_file("phones", None)
        self._hiss = _pink(np.random.default_rng(1), _LONGEST_S * RATE_HZ + _REST_SAMPLES) * _HISS

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
        worst = _worst_loss(voiced, phones)
        return Match(words, free_score - score, heard - expected, expected, frames, worst)

    def _prepare(self, pcm: bytes) -> bytes | None:
        """At an even level, with a hiss and a rest after it; ``None`` for nothing to decode.

        The model was trained on rooms, not on synthesizers: it takes digital silence for
        nothing it knows, and mishears half of what stands next to it.  The rest is for the
        mean that features are measured from: without it a browser that begins a call with
        too high a gain bends every sound of a short sentence.
        """
        import numpy as np

        samples = _joined(np.frombuffer(pcm[: len(pcm) & ~1], dtype=np.int16).astype(np.float64))
        whole = samples.size // _FRAME_SAMPLES * _FRAME_SAMPLES
        if not whole or samples.size > self._hiss.size - _REST_SAMPLES:
            return None
        power = (samples[:whole].reshape(-1, _FRAME_SAMPLES) ** 2).mean(axis=1)
        if not power.max():
            return None
        level = math.sqrt(power[power >= power.max() / 1000].mean())
        loud = self._hiss[: samples.size + _REST_SAMPLES].copy()
        loud[: samples.size] += samples * (_LEVEL / level)
        return np.clip(np.rint(loud), -32_768, 32_767).astype(np.int16).tobytes()

    def _search(self, search: str, pcm: bytes) -> tuple[str, float, list[Any]]:
        decoder = self._decoder
        decoder.activate_search(search)
        decoder.reinit_feat()  # or it goes on with what it knows of the noise before
        decoder.start_utt()
        decoder.process_raw(pcm, no_search=False, full_utt=True)
        decoder.end_utt()
        found = decoder.hyp()
        if found is None or not found.hypstr:
            return "", 0.0, []
        return found.hypstr, _log(found.score) * _SENONE_SCALE, list(decoder.seg())


def _joined(samples: Samples) -> Samples:
    """``samples`` without the gaps that were filled where packets were late.

    A gateway that waits for a caller fills the time with packets of zeros, and what was late
    follows them: a hole in a word.  A pause that somebody makes is no number of whole packets.
    """
    import numpy as np

    changes = np.diff(np.concatenate(([False], samples == 0, [False])).astype(np.int8))
    kept = np.ones(samples.size, dtype=np.bool_)
    runs = np.flatnonzero(changes).reshape(-1, 2)
    for begin, end in runs[runs[:, 1] - runs[:, 0] >= _PACKET_SAMPLES]:
        is_whole = (end - begin) % _PACKET_SAMPLES <= _CHANCE_SAMPLES
        if is_whole and begin > 0 and end < samples.size:
            kept[begin:end] = False
    return samples[kept]


def _worst_loss(words: list[Any], phones: list[Any]) -> float:
    """How much likelier the phones are than the word they fit worst, in nepers a frame."""
    import numpy as np

    free = np.zeros(1 + max(segment.end_frame for segment in (*words, *phones)))
    for phone in phones:
        span = slice(phone.start_frame, phone.end_frame + 1)
        free[span] = _sound_score(phone) / len(free[span])
    losses = [0.0]
    for word in words:
        span = slice(word.start_frame, word.end_frame + 1)
        if len(free[span]) >= _SHORTEST_WORD:
            losses.append((float(free[span].sum()) - _sound_score(word)) / len(free[span]))
    return max(losses)


def _sound_score(segment: Any) -> float:
    return _log(segment.ascore) * _SENONE_SCALE


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
