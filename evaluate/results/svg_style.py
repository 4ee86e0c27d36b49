"""Style of figures for the docs; the same numbers give the same bytes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure  # without pyplot: no display, no global state

from store.atomic_files import replacing

PX_PER_INCH = 96  # of SVG
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "avtempo",  # the same figure is the same bytes
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.linewidth": 0.6,
}


@contextmanager
def svg_figure(path: Path, width_px: float, height_px: float) -> Iterator[Figure]:
    """Give a figure to draw on, then write it to `path` as SVG, whole or not at all."""
    with mpl.rc_context(STYLE), replacing(path) as temporary:
        figure = Figure(figsize=(width_px / PX_PER_INCH, height_px / PX_PER_INCH), layout="constrained")
        yield figure
        figure.savefig(temporary, format="svg", facecolor="white", metadata={"Date": None, "Creator": None})
