"""How figures for the docs look; the same numbers are the same bytes."""

from typing import Any

PX_PER_INCH = 96  # of SVG
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "avtempo",  # the same picture is the same bytes
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.linewidth": 0.6,
}
