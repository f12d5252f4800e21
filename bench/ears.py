"""How well the local model's ears hear: phrases right, other sounds refused, time taken.

    python -m bench.ears [--seed N] [--each N] [--others N]

Every voice says ``--each`` sentences of the published list and ``--others`` of
tests/data/speech/other.tsv.  The sound goes the whole way: into ``Ears`` in 20 ms chunks,
each utterance to ``Recognizer``, clean and after an Opus round trip, as in a call.
A phrase is right when the one utterance heard has its id and its slot; it is missed when
nothing was understood, and wrong when something else was.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gateway.live.local.ears import RATE_HZ, Ears, UtteranceEnded
from gateway.live.local.phrases import Heard, sentences
from gateway.live.local.recognizer import Recognizer
from gateway.live.local.voices import SPEAKERS, Speaker, espeak_language
from tests.support.speech import say_as, through_opus

OTHERS = Path(__file__).parent.parent / "tests" / "data" / "speech" / "other.tsv"

# Speakers that are none of the service's voices: other accents, speeds and pitches.
STRANGERS = {
    "en-us 145 low": (Speaker("male", "m7", 35, 50, 145), "en-us"),
    "en-us 185 high": (Speaker("male", "m6", 65, 60, 185), "en-us"),
    "en-us f 165": (Speaker("female", "f2", 55, 50, 165), "en-us"),
    "en-us-nyc f 175": (Speaker("female", "f4", 50, 50, 175), "en-us-nyc"),
    "en-gb 150": (Speaker("male", "m2", 45, 50, 150), "en"),
    "en-gb f 170": (Speaker("female", "f1", 50, 55, 170), "en"),
    "en-gb-rp 180": (Speaker("male", "m4", 50, 50, 180), "en-gb-x-rp"),
    "en-gb-scot f 160": (Speaker("female", "f3", 45, 50, 160), "en-gb-scotland"),
}
CHANNELS = {"clean": 0, "Opus 32": 32_000, "Opus 24": 24_000}


@dataclass(slots=True)
class Tally:
    """One row of a table."""

    right: int = 0
    missed: int = 0
    wrong: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.right + self.missed + self.wrong

    def add(self, said: str, wanted: Heard, heard: list[Heard]) -> None:
        understood = [one for one in heard if one.phrase]
        meanings = [(one.phrase, one.slot) for one in understood]
        if meanings == ([(wanted.phrase, wanted.slot)] if wanted.phrase else []):
            self.right += 1
            return
        if understood:
            self.wrong += 1
        else:
            self.missed += 1
        self.faults.append(f"{said!r} -> {[one.text for one in heard]}")

    def row(self, name: str) -> str:
        share = 100 / max(self.total, 1)
        return (
            f"{name:<20} {self.total:>5} {self.right * share:>7.1f} %"
            f" {self.missed * share:>7.1f} % {self.wrong * share:>7.1f} %"
        )


def add(tallies: Iterable[Tally]) -> Tally:
    """All rows as one."""
    total = Tally()
    for tally in tallies:
        total.right += tally.right
        total.missed += tally.missed
        total.wrong += tally.wrong
        total.faults += tally.faults
    return total


class Bench:
    """The way from sound to meaning, with a stopwatch."""

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer
        self.asked_s = 0.0
        self.took_s = 0.0
        self.slowest_s = 0.0

    async def listen(self, pcm: bytes) -> list[Heard]:
        """What is heard of ``pcm`` between two seconds of silence."""
        ears = Ears()
        heard = []
        stream = bytes(RATE_HZ) + pcm + bytes(RATE_HZ * 2)
        for at in range(0, len(stream), 640):
            for event in ears.push(stream[at : at + 640]):
                if isinstance(event, UtteranceEnded):
                    heard.append(await self._recognize(event.pcm))
        return heard

    async def _recognize(self, pcm: bytes) -> Heard:
        begin = time.perf_counter()
        heard = await self._recognizer.recognize(pcm)
        took_s = time.perf_counter() - begin
        self.asked_s += len(pcm) / 2 / RATE_HZ
        self.took_s += took_s
        self.slowest_s = max(self.slowest_s, took_s)
        return heard


def speakers() -> Iterator[tuple[str, Speaker, str]]:
    """Name, speaker and espeak-ng language of everybody who speaks."""
    for name, who in SPEAKERS.items():
        yield name, who, "en-us"
    for name, (who, language) in STRANGERS.items():
        yield name, who, language


def others() -> list[tuple[str, str]]:
    """(language, sentence) of speech that is not on the list."""
    lines = OTHERS.read_text(encoding="utf-8").splitlines()
    pairs = (line.split("\t") for line in lines if line and not line.startswith("#"))
    return [(language, text) for language, text, *_ in pairs]


def sounds(seed: int) -> Iterator[tuple[str, bytes]]:
    """Sounds that nobody said, four seconds each, as (name, pcm)."""
    noise = np.random.default_rng(seed)
    at = np.arange(4 * RATE_HZ) / RATE_HZ

    def pcm(samples: np.ndarray[tuple[int], np.dtype[np.float64]]) -> bytes:
        return np.clip(samples, -32_768, 32_767).astype(np.int16).tobytes()

    for pitch in (100, 440, 1000, 3000):
        sine = 8000 * np.sin(2 * np.pi * pitch * at)
        yield f"tone {pitch}", pcm(sine)
        yield f"beeps {pitch}", pcm(sine * (at % 0.5 < 0.25))
    for dbfs in (-50, -40, -30, -20):
        white = noise.normal(0, 32_768 * 10 ** (dbfs / 20), at.size)
        yield f"noise {dbfs}", pcm(white)
        yield f"bursts {dbfs}", pcm(white * (at % 0.7 < 0.3))
        yield f"rumble {dbfs}", pcm(np.convolve(white, np.ones(32) / 6, "same"))
    for melody in range(12):
        steps = noise.integers(-12, 13, 16)
        hz = 220 * 2 ** (np.repeat(steps, at.size // 16) / 12)
        phase = 2 * np.pi * np.cumsum(hz) / RATE_HZ
        harmonics = np.arange(1, 6 + melody % 5)[:, None]
        tone = (np.sin(harmonics * phase) / harmonics).sum(axis=0)
        yield f"melody {melody}", pcm(6000 * tone * np.exp(-6 * (at % 0.25)))
        chord = np.sin(np.array([[1.0], [1.26], [1.5], [2.0]]) * phase).sum(axis=0)
        yield f"chords {melody}", pcm(2500 * chord * (1 + 0.5 * np.sin(2 * np.pi * 4 * at)))


async def phrases(bench: Bench, each: int, choose: random.Random) -> None:
    """Print how many sentences of the list are understood, voice by voice."""
    known = sorted(sentences().values(), key=lambda one: one.text)
    channels = {name: Tally() for name in CHANNELS}
    groups = {"service's voices": Tally(), "other speakers": Tally()}
    by_phrase: dict[str, Tally] = {}
    print(f"{'phrases':<20} {'said':>5} {'right':>9} {'missed':>9} {'wrong':>9}")
    for name, who, language in speakers():
        tally = Tally()
        for number, wanted in enumerate(choose.sample(known, each)):
            clean = say_as(wanted.text, who, language)
            channel = list(CHANNELS)[number % len(CHANNELS)]
            rate = CHANNELS[channel]
            pcm = through_opus(clean, RATE_HZ, rate) if rate else clean
            heard = await bench.listen(pcm)
            group = groups["service's voices" if name in SPEAKERS else "other speakers"]
            phrase = by_phrase.setdefault(wanted.phrase or "", Tally())
            for row in (tally, channels[channel], group, phrase):
                row.add(wanted.text, wanted, heard)
        print(tally.row(name), "|", "; ".join(tally.faults[:3]))
    for rows in (by_phrase, channels, groups, {"all": add(channels.values())}):
        print()
        for name, tally in sorted(rows.items()):
            print(tally.row(name))


async def refusals(bench: Bench, count: int, seed: int, choose: random.Random) -> None:
    """Print how much of everything else is understood as something."""
    nothing = Heard(None, None, "")
    everybody = list(speakers())
    rows: dict[str, Tally] = {}
    for language, text in others():
        english = language.startswith("en")
        for _, who, accent in choose.sample(everybody, count):
            spoken = accent if english else espeak_language(language)
            clean = say_as(text, who, spoken)
            for rate in (0, 24_000):
                pcm = through_opus(clean, RATE_HZ, rate) if rate else clean
                rows.setdefault(language, Tally()).add(text, nothing, await bench.listen(pcm))
    for name, pcm in sounds(seed):
        kind = "sounds, by the ears"
        rows.setdefault(kind, Tally()).add(name, nothing, await bench.listen(pcm))
    print(f"\n{'everything else':<20} {'said':>5} {'refused':>9} {'':>9} {'accepted':>9}")
    for name, tally in rows.items():
        print(tally.row(name), "|", "; ".join(tally.faults[:4]))
    total = add(tally for name, tally in rows.items() if not name.startswith("sounds"))
    print(total.row("all speech"))


async def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.ears", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--each", type=int, default=24, help="phrases a voice says")
    parser.add_argument("--others", type=int, default=1, help="voices for each other sentence")
    options = parser.parse_args()
    choose = random.Random(options.seed)
    recognizer = Recognizer()
    begin = time.perf_counter()
    await recognizer.start()
    print(
        f"seed {options.seed}; the recognizer was ready after {time.perf_counter() - begin:.2f} s\n"
    )
    bench = Bench(recognizer)
    try:
        await phrases(bench, options.each, choose)
        await refusals(bench, options.others, options.seed, choose)
    finally:
        await recognizer.aclose()
    print(
        f"\n{bench.took_s / max(bench.asked_s, 1e-9):.3f} s for each second of speech,"
        f" at most {bench.slowest_s:.2f} s for an utterance"
    )


if __name__ == "__main__":
    asyncio.run(main())
