"""CPU and memory of processes and cores, as Linux counts them."""

from __future__ import annotations

import os
import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_KB = 1024


def parse_process_cpu_s(stat: str) -> float:
    """CPU seconds, user and system, of all threads, from ``/proc/PID/stat`` (proc(5)).

    The name of the program, in brackets, may hold spaces and brackets of its own.
    """
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def parse_cores(stat: str) -> dict[int, tuple[int, int]]:
    """(busy, all) ticks of each core from ``/proc/stat``; stolen time counts as busy."""
    cores = {}
    for line in stat.splitlines():
        name, *values = line.split()
        if name.startswith("cpu") and name != "cpu":
            ticks = [int(value) for value in values[:8]]
            cores[int(name[3:])] = (sum(ticks) - ticks[3] - ticks[4], sum(ticks))
    return cores


def parse_kb(text: str, name: str) -> int:
    """Bytes of a line such as ``Pss:   120 kB``; 0 if there is none."""
    for line in text.splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * _KB
    return 0


def rss_bytes(pid: int | str) -> int:
    """Resident memory of a process; ``"self"`` is this one."""
    return parse_kb(Path(f"/proc/{pid}/status").read_text(), "VmRSS")


def pss_bytes(pid: int) -> int:
    """Like RSS, pages shared with other processes counted in part; 0 if not to be had."""
    try:
        return parse_kb(Path(f"/proc/{pid}/smaps_rollup").read_text(), "Pss")
    except OSError:
        return 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The counters at one moment."""

    at_s: float
    cpu_s: dict[str, float]  # of each process
    cores: dict[int, tuple[int, int]]

    @classmethod
    def take(cls, pids: dict[str, int]) -> Snapshot:
        cpu_s = {
            name: parse_process_cpu_s(Path(f"/proc/{pid}/stat").read_text())
            for name, pid in pids.items()
        }
        return cls(time.monotonic(), cpu_s, parse_cores(Path("/proc/stat").read_text()))

    def cpu_percent(self, earlier: Snapshot) -> dict[str, float]:
        """Of one core, per process, since ``earlier``."""
        passed_s = self.at_s - earlier.at_s
        return {n: 100 * (s - earlier.cpu_s[n]) / passed_s for n, s in self.cpu_s.items()}

    def core_percent(self, earlier: Snapshot) -> dict[int, float]:
        """How busy each core was since ``earlier``."""
        percent = {}
        for core, (busy, total) in self.cores.items():
            busy_before, total_before = earlier.cores.get(core, (0, 0))
            percent[core] = 100 * (busy - busy_before) / max(1, total - total_before)
        return percent


def describe() -> dict[str, object]:
    """The machine that was measured on."""
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)),
        "processor": model,
        "system": platform.platform(),
        "python": sys.version.split()[0],
    }


def divide_cores() -> tuple[set[int], set[int]]:
    """One core for the gateway, the others for everything else; the same one if it is alone."""
    first, *others = sorted(os.sched_getaffinity(0))
    return {first}, set(others) or {first}
