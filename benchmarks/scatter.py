"""Points in panels side by side, as an SVG file: no library draws so little."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, MARGIN = 340, 240, 42
COLUMNS = 3


@dataclass(frozen=True, slots=True)
class Point:
    """Tell one point of a panel."""

    name: str
    x: float
    y: float


def scatter(panels: Mapping[str, Sequence[Point]], x_title: str, y_title: str) -> str:
    """Draw one panel for each name, each with axes of its own that begin at 0."""
    rows = -(-len(panels) // COLUMNS)
    size = f'width="{COLUMNS * WIDTH}" height="{rows * HEIGHT}"'
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="10">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for number, (name, points) in enumerate(panels.items()):
        row, column = divmod(number, COLUMNS)
        drawn.append(f'<g transform="translate({column * WIDTH},{row * HEIGHT})">')
        drawn += _panel(name, points, x_title, y_title)
        drawn.append("</g>")
    return "\n".join([*drawn, "</svg>", ""])


def _panel(name: str, points: Sequence[Point], x_title: str, y_title: str) -> list[str]:
    right, bottom = WIDTH - MARGIN, HEIGHT - MARGIN
    most_x, most_y = 1.25 * max(p.x for p in points), 1.15 * max(p.y for p in points)
    drawn = [
        f'<text x="{MARGIN}" y="16" font-weight="bold">{escape(name)}</text>',
        f'<path d="M{MARGIN} 24V{bottom}H{right}" fill="none" stroke="black"/>',
        f'<text x="{right}" y="{bottom + 28}" text-anchor="end">{escape(x_title)}</text>',
        f'<text transform="translate(12,24) rotate(-90)" text-anchor="end">{escape(y_title)}</text>',
        f'<text x="{right}" y="{bottom + 13}" text-anchor="end">{most_x:.1f}</text>',
        f'<text x="{MARGIN - 4}" y="32" text-anchor="end">{most_y:.2f}</text>',
        f'<text x="{MARGIN - 4}" y="{bottom + 13}" text-anchor="end">0</text>',
    ]
    for point in points:
        x = MARGIN + (right - MARGIN) * point.x / most_x
        y = bottom - (bottom - 24) * point.y / most_y
        drawn.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>')
        drawn.append(f'<text x="{x + 5:.1f}" y="{y + 3:.1f}">{escape(point.name)}</text>')
    return drawn
