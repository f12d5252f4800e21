"""The load table as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.rig.figures import Row, Spread

HEADS = (
    ("engine", "", 9),
    ("calls", "", 5),
    ("CPU/call", "% core", 8),
    ("RSS/call", "MB", 8),
    ("client→Live", "p50/p95 ms", 13),
    ("Live→client", "p50/p95 ms", 13),
    ("interrupted", "p50/p95 ms", 13),
    ("after", "packets", 7),
    ("lateness", "p50/p99 ms", 12),
    ("timer", "p50/p99 ms", 12),
    ("in", "%", 5),
    ("failed", "", 6),
)


def load_table(
    rows: Sequence[Row], floor_percent: float | None, where: Mapping[str, object]
) -> str:
    """The rows, what must be known to read them, and how the engines compare."""
    lines = [
        f"{where['processor']}, {where['usable_cores']} cores, Python {where['python']}, "
        f"{where['system']}",
        "",
        "  ".join(f"{name:>{width}}" for name, _, width in HEADS),
        "  ".join(f"{unit:>{width}}" for _, unit, width in HEADS),
    ]
    for row in rows:
        cells = _cells(row)
        lines.append("  ".join(f"{c:>{w}}" for c, (_, _, w) in zip(cells, HEADS, strict=True)))
        lines += [f"{'':>11}{remark}" for remark in row.remarks]
    if floor_percent is not None:
        lines += ["", f"native floor (libopus, SRTP, TLS, system calls): {floor_percent:.2f} %"]
    lines += [f"{text}" for text in comparisons(rows)]
    per_call = [f"{r.calls}: {r.callers_percent_per_call:.2f}" for r in rows if r.calls >= 5]
    if per_call:
        lines.append(f"the callers' own CPU per call, % (at calls): {', '.join(per_call)}")
    return "\n".join(lines)


def comparisons(rows: Sequence[Row]) -> list[str]:
    """Sentences: each engine's CPU against the textbook's at the same number of calls."""
    textbook = {row.calls: row for row in rows if row.engine == "textbook" and row.is_valid}
    texts = []
    for row in rows:
        other = textbook.get(row.calls)
        if row.engine == "textbook" or other is None or not row.is_valid:
            continue
        ratio = other.gateway_percent_per_call / max(row.gateway_percent_per_call, 1e-9)
        texts.append(
            f"at {row.calls} calls the textbook takes {ratio:.1f} times {row.engine}'s CPU"
        )
    return texts


def _cells(row: Row) -> list[str]:
    counts = row.packets_after_interrupted
    return [
        row.engine,
        str(row.calls),
        f"{row.gateway_percent_per_call:.2f}",
        f"{row.rss_mb_per_call:.2f}",
        _pair(row.client_to_live.p50_ms, row.client_to_live.p95_ms),
        _pair(row.live_to_client.p50_ms, row.live_to_client.p95_ms),
        _pair(row.interrupted.p50_ms, row.interrupted.p95_ms),
        f"≤ {max(counts)}" if counts else "-",
        _late(row.lateness),
        _late(row.timer_noise),
        "-" if row.delivered_percent is None else f"{row.delivered_percent:.0f}",
        str(row.failed),
    ]


def _late(spread: Spread) -> str:
    return _pair(spread.p50_ms, spread.p99_ms)


def _pair(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "-"
    return f"{low:.1f} / {high:.1f}"
