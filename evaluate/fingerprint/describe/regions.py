"""Regions of a frame that may hold another video: within bars, between blurred sides, in a corner, in a grid.

A video that is laid over another one has still edges: along them neighbouring pixels differ in every frame, while on both
sides of them the content moves. So the differences of neighbouring pixels are averaged over time, and rectangles are
sought whose four sides stand out.
"""

import itertools

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from evaluate.fingerprint.describe.view import WHOLE, Region

FRAMES = 24
"""Evenly spaced frames that are looked at."""
DETAIL_PX = 96
"""Short side of the frames in which edges are sought."""
LINES = 10
"""Strongest lines in each direction that may bound a region."""
BORDER_LEVELS = 3.0
"""Rows and columns at the frame's border whose pixels differ by less, over space and time, are bars."""
LEAST_SIDE = 0.3
"""Shortest side of a region, in sides of the frame: smaller ones show too little to be distinguished."""
LEAST_EDGE_LEVELS = 3.0
"""Least step in brightness along the weakest side of a region, beyond that of the pixels around it."""
MOST_REGIONS = 4
ALIKE = 0.85
"""Regions that overlap by this share of their union are one."""


def found_regions(frames: Tensor) -> list[Region]:
    """Find regions with still edges in frames (T, H, W, 3) uint8, the most likely first; the whole frame is none."""
    grey = _grey(frames)
    inner = _within_bars(grey)
    rows, columns = inner.pixels(*grey.shape[1:])
    edges = [inner, *(_placed(each, inner) for each in _boxes(grey[:, rows, columns]))]
    kept: list[Region] = [WHOLE]
    for region in edges:
        if len(kept) <= MOST_REGIONS and all(region.overlap(each) < ALIKE for each in kept):
            kept.append(region)
    return kept[1:]


def _grey(frames: Tensor) -> np.ndarray:
    """Brightness of some frames, reduced, float32 (t, h, w) in 0..255."""
    some = frames[torch.linspace(0, len(frames) - 1, min(FRAMES, len(frames))).round().long()]
    grey = some.float().mean(3)[:, None]
    share = min(1.0, DETAIL_PX / min(grey.shape[2:]))
    size = [max(1, round(side * share)) for side in grey.shape[2:]]
    small: np.ndarray = F.interpolate(grey, size, mode="bilinear", antialias=True)[:, 0].cpu().numpy()
    return small


def _within_bars(grey: np.ndarray) -> Region:
    """Cut off rows and columns at the border that are of one colour in all frames."""
    sides = []
    for axis in (1, 2):
        lines = np.moveaxis(grey, axis, 0).reshape(grey.shape[axis], -1)
        shows = np.flatnonzero(lines.std(axis=1) >= BORDER_LEVELS)
        first, last = (int(shows[0]), int(shows[-1]) + 1) if len(shows) else (0, len(lines))
        sides.append((first / len(lines), last / len(lines)))
    return Region(sides[1][0], sides[0][0], sides[1][1], sides[0][1])


def _placed(inner: Region, outer: Region) -> Region:
    """Move a region of a region into the frame."""
    width, height = outer.right - outer.left, outer.bottom - outer.top
    return Region(
        outer.left + inner.left * width, outer.top + inner.top * height, outer.left + inner.right * width,
        outer.top + inner.bottom * height,
    )  # fmt: skip


def _boxes(grey: np.ndarray) -> list[Region]:
    """Find rectangles with four still sides, the clearest first; a side may be the frame's own border."""
    _, height, width = grey.shape
    steps = [_steps(grey, axis) for axis in (1, 2)]  # of rows (h + 1, w), of columns (w + 1, h)
    lines = [_strongest(each) for each in steps]
    sums = [np.pad(each, ((0, 0), (1, 0))).cumsum(axis=1) for each in steps]
    found: list[tuple[float, Region]] = []
    for (top, bottom), (left, right) in itertools.product(*(itertools.combinations(each, 2) for each in lines)):
        if bottom - top < LEAST_SIDE * height or right - left < LEAST_SIDE * width:
            continue
        horizontal = [
            (sums[0][at, right] - sums[0][at, left]) / (right - left) for at in (top, bottom) if 0 < at < height
        ]
        vertical = [(sums[1][at, bottom] - sums[1][at, top]) / (bottom - top) for at in (left, right) if 0 < at < width]
        sides = horizontal + vertical
        if sides and min(sides) >= LEAST_EDGE_LEVELS:
            region = Region(left / width, top / height, right / width, bottom / height)
            found.append((float(np.mean(sides)) * len(sides), region))
    return [region for _, region in sorted(found, key=lambda each: -each[0])]


def _steps(grey: np.ndarray, axis: int) -> np.ndarray:
    """Mean over time of the step from each line to the next, beyond that of the lines around: float32 (n + 1, m).

    Lines run along the other axis. The first and the last are the frame's border, with no step.
    """
    lines = np.moveaxis(grey, axis, 1)  # (t, n, m)
    step = np.abs(np.diff(lines, axis=1)).mean(axis=0)  # (n - 1, m)
    padded = np.pad(step, ((2, 2), (0, 0)), mode="edge")
    around = np.stack([padded[shift : shift + len(step)] for shift in (0, 1, 3, 4)]).mean(axis=0)
    return np.pad(np.clip(step - around, 0, None), ((1, 1), (0, 0)))


def _strongest(steps: np.ndarray) -> list[int]:
    """Choose the lines whose best stretch, of a third of their length, has the largest step; and both borders."""
    n = max(1, round(LEAST_SIDE * steps.shape[1]))
    sums = np.pad(steps, ((0, 0), (1, 0))).cumsum(axis=1)
    best = ((sums[:, n:] - sums[:, :-n]) / n).max(axis=1)
    is_peak = (best >= np.roll(best, 1)) & (best >= np.roll(best, -1))
    inner = [int(at) for at in np.argsort(-best) if is_peak[at] and 0 < at < len(best) - 1][:LINES]
    return sorted({0, *inner, len(best) - 1})
