"""Nothing may stay behind: tasks, threads, sockets, child processes."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path


def open_sockets() -> set[str]:
    """Sockets of this process, by kernel identity."""
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            target = os.readlink(link)
            if target.startswith("socket:"):
                found.add(target)
    return found


@contextlib.asynccontextmanager
async def nothing_left(*, settle_s: float = 3.0) -> AsyncIterator[None]:
    """Fail if what runs inside leaves a task, a thread or a socket behind.

    Transports close on the next turns of the loop, so a little time is given.
    """
    tasks = asyncio.all_tasks()
    threads = set(threading.enumerate())
    sockets = open_sockets()
    yield

    def left() -> tuple[list[str], list[str], int]:
        # A thread of the loop's executor belongs to the loop and ends with it.
        new_threads = [
            thread.name
            for thread in set(threading.enumerate()) - threads
            if not thread.name.startswith("asyncio_")
        ]
        new_tasks = [str(task.get_coro()) for task in asyncio.all_tasks() - tasks]
        return new_tasks, new_threads, len(open_sockets() - sockets)

    deadline = asyncio.get_running_loop().time() + settle_s
    while left() != ([], [], 0) and asyncio.get_running_loop().time() < deadline:
        gc.collect()
        await asyncio.sleep(0.05)
    assert left() == ([], [], 0), "tasks, threads or sockets were left behind"
