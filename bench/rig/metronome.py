"""The machine's own timer noise: sleeps on a 20 ms grid and tells when it woke up.

    python -m bench.rig.metronome

A process that does nothing else, on the same cores as the callers.  ``{"report": [from, to]}``
on the standard input is answered with the ticks between two times.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import deque

PERIOD_S = 0.02
_KEPT = 50_000


def tick(ticks_s: deque[float]) -> None:
    due = time.monotonic()
    while True:
        due += PERIOD_S
        time.sleep(max(0.0, due - time.monotonic()))
        ticks_s.append(time.monotonic())


def main() -> None:
    ticks_s: deque[float] = deque(maxlen=_KEPT)
    threading.Thread(target=tick, args=(ticks_s,), daemon=True).start()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        begin, end = json.loads(line)["report"]
        ticks = [at for at in list(ticks_s) if begin <= at < end]
        print(json.dumps({"report": ticks}), flush=True)


if __name__ == "__main__":
    main()
