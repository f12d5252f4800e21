"""A small line chart as SVG: no library, two scales, one line per engine."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from bench.rig.figures import Row

WIDTH, HEIGHT = 420, 280
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 34, 40
COLORS = {"native": "#1a73e8", "aiortc": "#e8710a", "textbook": "#5f6368"}

Points = list[tuple[float, float]]


def load_chart(rows: Sequence[Row]) -> str:
    """CPU per call, latency to the model, and lateness, over the number of calls."""
    charts: tuple[tuple[str, Callable[[Row], float | None]], ...] = (
        ("gateway CPU per call, % of a core", lambda row: row.gateway_percent_per_call),
        ("client → Live, p95 ms", lambda row: row.client_to_live.p95_ms),
        ("Live → client, p95 ms", lambda row: row.live_to_client.p95_ms),
        ("packet lateness, p99 ms", lambda row: row.lateness.p99_ms),
    )
    parts = []
    for index, (title, value) in enumerate(charts):
        lines: dict[str, Points] = {}
        for row in rows:
            if row.is_valid and (y := value(row)) is not None:
                lines.setdefault(row.engine, []).append((row.calls, y))
        x, y_shift = (index % 2) * WIDTH, (index // 2) * HEIGHT
        parts.append(f'<g transform="translate({x},{y_shift})">{chart(title, lines)}</g>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * WIDTH} {2 * HEIGHT}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>'
        + "".join(parts)
        + "</svg>\n"
    )


def chart(title: str, lines: dict[str, Points]) -> str:
    """One chart: numbers of calls on a logarithmic scale, values from zero."""
    points = [point for line in lines.values() for point in line]
    text = f'<text x="{LEFT}" y="20" font-weight="bold">{escape(title)}</text>'
    if not points:
        return text + f'<text x="{LEFT}" y="{HEIGHT / 2}">nothing measured</text>'
    ticks = sorted({x for x, _ in points})
    low, high = math.log(ticks[0]), math.log(ticks[-1])
    top = nice(max(y for _, y in points))

    def place(x: float, y: float) -> tuple[float, float]:
        share = (math.log(x) - low) / (high - low) if high > low else 0.5
        across = LEFT + share * (WIDTH - LEFT - RIGHT - 20)
        return across, HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM)

    parts = [text]
    for step in range(5):
        y = place(ticks[0], top * step / 4)[1]
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#dadce0"/>')
        label = f"{top * step / 4:g}"
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    for x in ticks:
        across = place(x, 0)[0]
        below = HEIGHT - BOTTOM + 16
        parts.append(f'<text x="{across:.1f}" y="{below}" text-anchor="middle">{x:g}</text>')
    for number, (name, line) in enumerate(lines.items()):
        color = COLORS.get(name, "#188038")
        placed = [place(*point) for point in sorted(line)]
        way = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        parts.append(f'<polyline points="{way}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>' for x, y in placed]
        parts.append(
            f'<text x="{LEFT + 90 * number}" y="{HEIGHT - 6}" fill="{color}">{escape(name)}</text>'
        )
    return "".join(parts)


def nice(value: float) -> float:
    """The next of 1, 2, 4, 10 times a power of ten, for the end of a scale."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * step for step in (1, 2, 4, 10) if power * step >= value * 0.9999)
