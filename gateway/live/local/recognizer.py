"""Recognition of one utterance, in worker processes that outlive it.

A worker is ``sphinx.py``: it loads its model in half a second, keeps the 60 MB of it out of
this process, and takes one utterance at a time.  Each has a thread here that waits for it,
so the event loop never does.  A worker that dies is replaced and asked again, once.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import logging
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import astuple

from gateway.live.local import sphinx
from gateway.live.local.grammar import word_graph
from gateway.live.local.phrases import Heard, heard, spoken

logger = logging.getLogger(__name__)

_NOTHING = Heard(None, None, "")
_START_S = 30.0


class Recognizer:
    """``start``, any number of ``recognize`` at once, ``aclose``.

    ``processes`` bounds the workers; the first is started by ``start``, the others when
    they are needed.  A worker that takes longer than ``timeout_s`` is killed.
    """

    def __init__(self, *, processes: int = 1, timeout_s: float = 15.0) -> None:
        self._timeout_s = timeout_s
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix="ears")
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._workers: set[_Worker] = set()
        self._closed = False
        self._deaf = False

    async def start(self) -> None:
        """Start a worker and wait until it can listen; a warning when none can."""
        await asyncio.get_running_loop().run_in_executor(self._threads, self._warm_up)

    async def recognize(self, pcm: bytes) -> Heard:
        """What was said in ``pcm``, 16 kHz mono s16le.

        ``Heard(None, None, "")`` for whatever is not on the list, and for everything
        when pocketsphinx is missing.  Raises :exc:`RuntimeError` after ``aclose``.
        """
        if self._closed:
            raise RuntimeError("the recognizer is closed")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._recognize, pcm)

    async def aclose(self) -> None:
        """Kill the workers and wait until they are gone; who still waits hears nothing."""
        with self._lock:
            self._closed = True
            for worker in self._workers:
                worker.kill()
        await asyncio.to_thread(self._threads.shutdown)
        for worker in self._workers:
            await asyncio.to_thread(worker.close)

    def _warm_up(self) -> None:
        if (worker := self._take()) is not None:
            self._idle.append(worker)

    def _recognize(self, pcm: bytes) -> Heard:
        for _ in range(2):
            worker = self._take()
            if worker is None:
                return _NOTHING
            try:
                words = worker.ask(pcm, self._timeout_s)
            except OSError:
                self._discard(worker)
            else:
                self._idle.append(worker)
                return heard(words)
        if not self._closed:
            logger.warning("no recognition of an utterance of %d ms: its workers died", _ms(pcm))
        return _NOTHING

    def _take(self) -> _Worker | None:
        """An idle worker or a new one; ``None`` when there cannot be any."""
        try:
            return self._idle.pop()
        except IndexError:
            pass
        with self._lock:
            if self._closed or self._deaf:
                return None
            if importlib.util.find_spec("pocketsphinx") is None:
                self._give_up("pocketsphinx is not installed")
                return None
            try:
                worker = _Worker()
            except OSError as error:
                self._give_up(str(error))
                return None
            self._workers.add(worker)
        try:
            worker.start(_START_S)
        except OSError as error:
            self._discard(worker)
            if not self._closed:
                self._give_up(str(error))
            return None
        return worker

    def _give_up(self, why: str) -> None:
        """Say so, once; nothing is tried again."""
        self._deaf = True
        logger.warning("no speech recognition, nothing said will be understood: %s", why)

    def _discard(self, worker: _Worker) -> None:
        with self._lock:
            self._workers.discard(worker)
        worker.close()


class _Worker:
    """One process; every method but ``kill`` belongs to one thread at a time."""

    def __init__(self) -> None:
        # -P: the directory of sphinx.py is no place to import from.  A session of its own:
        # Ctrl-C is for the gateway, which then closes its workers.
        self._process = subprocess.Popen(
            [sys.executable, "-P", sphinx.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def start(self, timeout_s: float) -> None:
        """Wait until the model is loaded.  Raises :exc:`OSError` when it cannot be."""
        graph = json.dumps(astuple(word_graph(spoken()))).encode() + b"\n"
        if self._exchange(graph, timeout_s) != sphinx.READY:
            raise OSError("the recognizer's process does not start")

    def ask(self, pcm: bytes, timeout_s: float) -> str:
        """The words in ``pcm``, empty for none.  Raises :exc:`OSError` when it dies."""
        size = len(pcm).to_bytes(sphinx.SIZE_BYTES, "big")
        return self._exchange(size + pcm, timeout_s)

    def kill(self) -> None:
        """End it from any thread."""
        self._process.kill()

    def close(self) -> None:
        """End it and wait until it is gone."""
        self._process.kill()
        with suppress(BrokenPipeError), self._process:  # what it has not read is still buffered
            pass

    def _exchange(self, request: bytes, timeout_s: float) -> str:
        assert self._process.stdin is not None, "a pipe was asked for"
        assert self._process.stdout is not None, "a pipe was asked for"
        timer = threading.Timer(timeout_s, self._process.kill)
        timer.start()
        try:
            self._process.stdin.write(request)
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        finally:
            timer.cancel()
            timer.join()
        if not line.endswith(b"\n"):
            raise OSError("the recognizer's process ended")
        return line.decode().rstrip("\n")


def _ms(pcm: bytes) -> int:
    return len(pcm) // (sphinx.RATE_HZ * 2 // 1000)
