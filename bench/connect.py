"""How long a call takes to come about, step by step, one after another.

    python -m bench connect [--times 20] [--engine native]

``answer`` is HTTP, from the offer to the answer; ``ICE`` the first answered check; ``DTLS`` the
handshake with both certificates checked; ``media`` the first packet of the gateway's.  The far
end begins a reply as soon as a live session is set up.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from bench.rig import machine
from bench.rig.caller import CallFailed, Steps, connect
from bench.rig.crowd import ONSET
from bench.rig.dtls import Identity
from bench.rig.figures import Spread
from bench.rig.processes import ENGINES, BenchError, Rig, pinned
from bench.rig.progress import Progress
from bench.rig.sound import caller_packets

STEPS = ("answer_ms", "ice_ms", "dtls_ms", "media_ms", "total_ms")


def measure(engine: str, times: int, settings: dict[str, str]) -> tuple[list[Steps], int]:
    """The steps of ``times`` calls after one that warms up, and how many failed."""
    identity = Identity()
    progress = Progress(times)
    done: list[Steps] = []
    failed = 0
    cores = machine.divide_cores()
    with Rig(engine, cores=cores, sink_options=["--at-once"], settings=settings) as rig:
        with pinned(cores[1]):
            for number in range(times + 1):
                try:
                    caller = connect(rig.url, identity, caller_packets, ONSET, wait_for_media=True)
                except CallFailed as error:
                    failed += 1
                    print(f"\n  {error}", file=sys.stderr)
                    continue
                if number:
                    done.append(caller.steps)
                time.sleep(0.1)  # let the reply begin before the goodbye
                caller.close()
                time.sleep(0.2)
                progress.step(f"call {number} of {times}")
    progress.done()
    return done, failed


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench connect", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--engine", choices=ENGINES, default="native")
    parser.add_argument("--out", type=Path, default=Path("bench/results"), help="folder")
    parser.add_argument(
        "--env", action="append", default=[], metavar="NAME=VALUE", help="a setting of the gateway"
    )
    options = parser.parse_args()
    settings = dict(text.partition("=")[::2] for text in options.env)
    started = datetime.now(UTC)
    before = machine.Snapshot.take({})
    try:
        steps, failed = measure(options.engine, options.times, settings)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    busy = machine.Snapshot.take({}).core_percent(before)
    spreads = {name: Spread.of([getattr(s, name) / 1e3 for s in steps]) for name in STEPS}
    print(f"{options.engine}, {len(steps)} calls, {failed} failed")
    print(f"{'ms':>8} {'p50':>8} {'p95':>8}")
    for name, spread in spreads.items():
        print(f"{name.removesuffix('_ms'):>8} {_cell(spread.p50_ms)} {_cell(spread.p95_ms)}")
    document = {
        "measured_at": started.isoformat(timespec="seconds"),
        "engine": options.engine,
        "failed": failed,
        "machine": machine.describe(),
        "core_percent": {core: round(percent, 1) for core, percent in busy.items()},
        "steps": {name: asdict(spread) for name, spread in spreads.items()},
        "calls": [asdict(one) for one in steps],
    }
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / f"connect-{options.engine}.json"
    file.write_text(json.dumps(document, indent=1) + "\n")
    print(f"\n{file}")
    return 1 if failed else 0


def _cell(value: float | None) -> str:
    return f"{'-' if value is None else format(value, '.1f'):>8}"


if __name__ == "__main__":
    sys.exit(main())
