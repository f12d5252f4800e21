"""Calls coming and going for half an hour: does anything of the gateway grow?

    python -m bench soak [--minutes 30] [--calls 8] [--seed 1] [--engine native] [--out FOLDER]

Calls last 4 to 20 seconds and a new one begins for each that has ended.  Every minute all of
them end, and at this low tide the gateway's tasks, open files, threads, Python objects and
resident memory are counted.  Ended calls are remembered for five minutes, so the first
``WARM_S`` do not count.  The last word is ``grows by nothing`` or what grew.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from bench.rig import machine
from bench.rig.processes import BenchError, Child, Rig
from bench.rig.progress import Progress

WARM_S = 420.0
TIDE_S = 60.0
EBB_S = 6.0  # for the last call to be freed
SHORTEST_S, LONGEST_S = 4.0, 20.0
OBJECTS_SLACK, RSS_SLACK = 0.01, 0.02  # of the level; the allocator breathes

Count = dict[str, Any]


def tide(rig: Rig, crowd: Child, number: int, calls: int, choose: random.Random) -> int:
    """One minute of calls; returns the number of the next call."""
    ends: dict[int, float] = {}
    stop_s = time.monotonic() + TIDE_S
    while (now := time.monotonic()) < stop_s:
        for call in [call for call, end_s in ends.items() if end_s <= now]:
            crowd.ask(close=call)
            del ends[call]
        while len(ends) < calls:
            answer = crowd.ask(open=number, measured=False)
            if "failed" in answer:
                raise BenchError(f"a call failed: {answer['why']}")
            rig.sink.answer()
            ends[number] = time.monotonic() + choose.uniform(SHORTEST_S, LONGEST_S)
            number += 1
        time.sleep(0.1)
    for call in ends:
        crowd.ask(close=call)
    rig.sink.say(forget=True)
    return number


def grown(counts: list[Count]) -> list[str]:
    """What grew between the first and the last third of the counts, in words."""
    third = max(1, len(counts) // 3)
    faults = []
    for name, slack in (
        ("tasks", 0.0),
        ("files", 0.0),
        ("threads", 0.0),
        ("objects", OBJECTS_SLACK),
        ("rss_bytes", RSS_SLACK),
    ):
        first = statistics.median(count[name] for count in counts[:third])
        last = statistics.median(count[name] for count in counts[-third:])
        if last > first * (1 + slack):
            faults.append(f"{name} from {first:.0f} to {last:.0f}")
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="how long (30)")
    parser.add_argument("--calls", type=int, default=8, help="calls at once (8)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=("native", "aiortc"), default="native")
    parser.add_argument("--out", type=Path, default=Path("bench/results"), help="folder")
    options = parser.parse_args()
    choose, progress = random.Random(options.seed), Progress(1)
    cores = machine.divide_cores()
    counts: list[Count] = []
    number, begin = 0, time.monotonic()
    with (
        Rig(options.engine, cores=cores, calls=options.calls, gateway="bench.rig.watched") as rig,
        rig.child("bench.rig.crowd", rig.url) as crowd,
    ):
        crowd.answer()
        print(f"{'min':>5} {'calls':>6} {'tasks':>6} {'files':>6} {'threads':>8}", end="")
        print(f" {'objects':>9} {'RSS MB':>8}")
        while time.monotonic() - begin < options.minutes * 60:
            progress.show(f"{(time.monotonic() - begin) / 60:.0f} of {options.minutes:.0f} min")
            number = tide(rig, crowd, number, options.calls, choose)
            time.sleep(EBB_S)
            count = rig.gateway.ask(count=True)
            count |= {"at_s": round(time.monotonic() - begin), "calls": number}
            counts.append(count)
            print(
                f"{count['at_s'] / 60:5.1f} {number:6} {count['tasks']:6} {count['files']:6}"
                f" {count['threads']:8} {count['objects']:9} {count['rss_bytes'] / 2**20:8.1f}",
                flush=True,
            )
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "soak.json").write_text(json.dumps(counts, indent=1))
    settled = [count for count in counts if count["at_s"] > WARM_S]
    if len(settled) < 6:
        print("too short to say whether anything grows")
        return 0
    faults = grown(settled)
    print("grew: " + "; ".join(faults) if faults else f"{number} calls, grows by nothing")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
