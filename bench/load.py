"""Many calls at once: CPU and memory per call, latency both ways, pacing, beside a textbook.

    python -m bench load [--calls 1,5,10,20,40,80] [--engine native] [--textbook 5,10]

Three processes: the gateway on a core of its own; the callers (pre-encoded Opus over ICE, DTLS
and SRTP) and the far end (a light Live service over TLS) on the others.  The model speaks half
the time.  Each row is a gateway of its own: one call to warm it up, the calls, a window in which
everything is measured, and some seconds in which replies are interrupted.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import floor
from bench.rig import charts, figures, machine, table
from bench.rig.figures import Row
from bench.rig.processes import ENGINES, BenchError, Child, Rig
from bench.rig.progress import Progress

SETTLE_S = 2.0
MEASURED_CALLS = 20  # of which every packet is opened and heard
TALK_S, PAUSE_S = 2.0, 2.0


def run(
    engine: str, calls: int, seconds: float, progress: Progress, settings: dict[str, str]
) -> Row:
    """One row.  Raises :exc:`BenchError`."""
    cores = machine.divide_cores()
    sink_options = ["--talk-s", str(TALK_S), "--pause-s", str(PAUSE_S)]
    with (
        Rig(engine, cores=cores, calls=calls, sink_options=sink_options, settings=settings) as rig,
        rig.child("bench.rig.crowd", rig.url) as crowd,
        rig.child("bench.rig.metronome") as metronome,
    ):
        crowd.answer()
        metronome.answer()
        _open(rig, crowd, 0, measured=False)
        time.sleep(TALK_S + PAUSE_S)
        crowd.ask(close=0)
        time.sleep(1.0)
        rig.sink.say(forget=True)
        rss, pss = machine.rss_bytes(rig.gateway.pid), machine.pss_bytes(rig.gateway.pid)

        measured = set(range(0, calls, max(1, -(-calls // MEASURED_CALLS))))
        rig.sink.say(measure=sorted(measured))
        failed = 0
        for number in range(calls):
            progress.step(f"{engine} {calls}: call {number + 1}")
            failed += not _open(rig, crowd, number - failed, measured=number - failed in measured)
        time.sleep(SETTLE_S)

        pids = {"gateway": rig.gateway.pid, "crowd": crowd.pid, "sink": rig.sink.pid}
        before = machine.Snapshot.take(pids)
        _wait(seconds, progress, f"{engine} {calls}: measuring")
        after = machine.Snapshot.take(pids)
        rss = machine.rss_bytes(rig.gateway.pid) - rss
        pss = machine.pss_bytes(rig.gateway.pid) - pss

        rig.sink.say(cut=True)
        _wait(3 * (TALK_S + PAUSE_S), progress, f"{engine} {calls}: interrupting")
        window = (before.at_s, after.at_s)
        told = crowd.ask(report=True, timeout_s=120.0)
        sessions = rig.sink.ask(report=window, timeout_s=120.0, wanted="report")["report"]
        ticks = metronome.ask(report=window)["report"]
    return _row(engine, calls, failed, (before, after), (rss, pss), told, sessions, ticks, cores[0])


def _open(rig: Rig, crowd: Child, number: int, *, measured: bool) -> bool:
    """Open one call and wait for its live session, so that both count alike."""
    answer = crowd.ask(open=number, measured=measured)
    if "failed" in answer:
        print(f"\n  a call failed: {answer['why']}", file=sys.stderr)
        return False
    rig.sink.answer()
    return True


def _wait(seconds: float, progress: Progress, text: str) -> None:
    end = time.monotonic() + seconds
    while (left_s := end - time.monotonic()) > 0:
        progress.show(f"{text}, {left_s:.0f} s")
        time.sleep(min(1.0, left_s))
    progress.step(text)


def _row(
    engine: str,
    calls: int,
    failed: int,
    snapshots: tuple[machine.Snapshot, machine.Snapshot],
    grown_bytes: tuple[int, int],
    told: dict[str, Any],
    sessions: list[dict[str, Any]],
    ticks_s: list[float],
    gateway_cores: set[int],
) -> Row:
    before, after = snapshots
    window = (before.at_s, after.at_s)
    cpu = after.cpu_percent(before)
    count = max(1, calls - failed)
    callers = [call for call in told["report"] if "onsets_s" in call]
    by_call = {session["call"]: session for session in sessions}
    client_to_live, lost_onsets = figures.latency_to_live(callers, by_call, window)
    live_to_client, lost_replies = figures.latency_to_client(callers, by_call, window)
    interrupted, after_cut = figures.cuts(callers, by_call)
    length_s = window[1] - window[0]
    shares = [100 * session["audio_s"] / length_s for session in sessions]
    row = Row(
        engine=engine,
        calls=calls,
        connected=calls - failed,
        failed=failed,
        gateway_percent=round(cpu["gateway"], 2),
        gateway_percent_per_call=round(cpu["gateway"] / count, 3),
        callers_percent_per_call=round(cpu["crowd"] / count, 3),
        sink_percent_per_call=round(cpu["sink"] / count, 3),
        rss_mb_per_call=round(grown_bytes[0] / count / 2**20, 2),
        pss_mb_per_call=round(grown_bytes[1] / count / 2**20, 2),
        client_to_live=client_to_live,
        lost_onsets=lost_onsets,
        live_to_client=live_to_client,
        lost_replies=lost_replies,
        interrupted=interrupted,
        packets_after_interrupted=after_cut,
        lateness=figures.pacing(callers, window),
        timer_noise=figures.noise(ticks_s),
        delivered_percent=round(sum(shares) / len(shares), 1) if shares else None,
        late_sends=told["late_packets"],
        core_percent={c: round(p, 1) for c, p in after.core_percent(before).items()},
        gateway_cores=sorted(gateway_cores),
    )
    figures.judge(row, cpu["gateway"])
    ended = sum(call["closed"] or call["refused"] > 50 for call in told["report"])
    if ended:
        row.remarks.append(f"{ended} calls ended early")
    return row


def numbers(text: str) -> list[int]:
    """``1,5,10`` as a list; an empty text as none."""
    values = [int(word) for word in text.split(",") if word]
    if any(value < 1 for value in values):
        raise ValueError("less than one call")
    return values


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench load", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--engine", choices=ENGINES, default="native")
    parser.add_argument("--calls", type=numbers, default="1,5,10,20,40,80", help="numbers of calls")
    parser.add_argument("--textbook", type=numbers, default="5,10", help="the same, textbook")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of the window")
    parser.add_argument("--no-floor", action="store_true", help="leave the native floor out")
    parser.add_argument("--out", type=Path, default=Path("bench/results"), help="folder")
    parser.add_argument(
        "--env", action="append", default=[], metavar="NAME=VALUE", help="a setting of the gateway"
    )
    options = parser.parse_args()
    settings = dict(text.partition("=")[::2] for text in options.env)
    plan = [(options.engine, calls) for calls in options.calls]
    plan += [("textbook", calls) for calls in options.textbook]
    progress = Progress(sum(calls + 2 for _, calls in plan))
    started = datetime.now(UTC)
    least = None if options.no_floor else floor.measure()
    rows: list[Row] = []
    status = 0
    for engine, calls in plan:
        try:
            rows.append(run(engine, calls, options.seconds, progress, settings))
        except BenchError as error:
            print(f"\n{engine} at {calls} calls: {error}", file=sys.stderr)
            status = 1
        except KeyboardInterrupt:
            print("\nstopped; what was measured is kept", file=sys.stderr)
            status = 130
            break
    progress.done()
    document = {
        "measured_at": started.isoformat(timespec="seconds"),
        "seconds": options.seconds,
        "machine": machine.describe(),
        "floor": least.as_dict() if least else None,
        "rows": [row.as_dict() for row in rows],
    }
    text = table.load_table(rows, least.percent_per_call if least else None, machine.describe())
    print(text)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "load.json").write_text(json.dumps(document, indent=1) + "\n")
    (options.out / "load.txt").write_text(text + "\n")
    (options.out / "load.svg").write_text(charts.load_chart(rows))
    print(f"\n{options.out}/load.json, load.txt and load.svg")
    return status


if __name__ == "__main__":
    sys.exit(main())
