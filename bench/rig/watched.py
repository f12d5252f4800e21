"""The gateway, with somebody who counts what it holds.

    python -m bench.rig.watched serve

A JSON line on the standard output for every line on the standard input: asyncio tasks,
open files, threads, objects of Python (after a collection) and resident memory.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import threading
from pathlib import Path

import uvloop

from bench.rig import machine
from gateway.cli import main

_loops: list[asyncio.AbstractEventLoop] = []
_new_event_loop = uvloop.new_event_loop


def _kept_event_loop() -> uvloop.Loop:
    loop = _new_event_loop()
    _loops.append(loop)
    return loop


def _count() -> dict[str, int]:
    gc.collect()
    return {
        "tasks": sum(len(asyncio.all_tasks(loop)) for loop in _loops),
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "threads": threading.active_count(),
        "objects": len(gc.get_objects()),
        "rss_bytes": machine.rss_bytes("self"),
    }


def _answer() -> None:
    for _ in sys.stdin:
        counted = asyncio.run_coroutine_threadsafe(_say(), _loops[0])
        counted.result()


async def _say() -> None:
    print(json.dumps(_count()), flush=True)


if __name__ == "__main__":
    uvloop.new_event_loop = _kept_event_loop
    threading.Thread(target=_answer, daemon=True).start()
    sys.exit(main())
