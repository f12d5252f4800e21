"""A bar on the standard error, if somebody is looking."""

from __future__ import annotations

import sys


class Progress:
    """``steps`` steps; each has a text."""

    def __init__(self, steps: int) -> None:
        self._steps = max(1, steps)
        self._done = 0
        self._is_seen = sys.stderr.isatty()

    def step(self, text: str) -> None:
        self._done = min(self._steps, self._done + 1)
        self.show(text)

    def show(self, text: str) -> None:
        if self._is_seen:
            full = 30 * self._done // self._steps
            print(f"\r[{'#' * full:30}] {text[:46]:46}", end="", file=sys.stderr, flush=True)

    def done(self) -> None:
        if self._is_seen:
            print("\r" + " " * 79 + "\r", end="", file=sys.stderr, flush=True)
