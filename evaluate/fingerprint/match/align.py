"""Alignment: spans of a query and a reference from their evidence, by Hough voting over offset and speed.

Every pair of a query and a reference descriptor votes with its evidence for lines  reference = offset + speed x query.
For one speed the votes of a query descriptor are a shifted row of the evidence, so the votes for all offsets are a sum of
shifted rows. The best line is cut to the stretch of the query with evidence for it. These rows are then removed, and the
next line is sought, because queries with cuts, and compilations, hold several spans. Reasons:
docs/explanation/fingerprints.md.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from evaluate.fingerprint.match.spans import Pairs, Span

SPEED_RANGE = (0.82, 1.18)
"""A little more than 0.84 to 1.16, the range that must be found."""
SPEED_GAIN = 1.02
"""A speed must have this many times the votes of a speed nearer to 1 to replace it."""
PLATEAU_ROWS = 4
"""The best consecutive descriptors of a line tell how much evidence the same material gives."""
MEMBER_SHARE = 0.45
"""A descriptor belongs to a stretch if its evidence is at least this share of the plateau's. After a cut to another video,
evidence by chance is lower."""
MOST_SHARE = 0.8
"""Where other lines have as much evidence, as in a still image, the share rises to this at most."""
MAX_MISSES = 4
"""Consecutive descriptors below the share; a longer gap ends the stretch, however strong it was."""
WINDOW_SECONDS = 24.0
"""Longer queries are matched in windows: a speed between two steps of the list is a hop off after half a minute."""
LEAST_EVIDENCE = 0.25
"""Evidence of a pair; less is noise."""
MAX_SPANS = 6
"""Per window and reference."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Descriptors of a query and of a reference at fixed hops.

    Attributes:
        query_seconds: float64 (q,), middles of the query's clips, ascending.
        reference_first_seconds: middle of the first column's clip, which starts with the reference.
        reference_hop_seconds: time between columns.
        evidence: float32 (m, q, r) in [0, 1], by modality.
        clip_seconds: length of a clip.
        pairs: returns the descriptors of rows and columns (n,) that both have, by modality.
    """

    query_seconds: np.ndarray
    reference_first_seconds: float
    reference_hop_seconds: float
    evidence: np.ndarray
    clip_seconds: float
    pairs: Callable[[np.ndarray, np.ndarray], Pairs]

    @cached_property
    def votes(self) -> np.ndarray:
        """Votes for lines, the sum over modalities, float32 (q, r).

        A missing or silent modality takes nothing from the other. A still image supports every line; then the audio decides.
        """
        total: np.ndarray = self.evidence.sum(axis=0)
        return np.where(self.evidence.max(axis=0) >= LEAST_EVIDENCE, total, 0)


def find_spans(grid: Grid) -> list[Span]:
    """Find the spans of a query, or of a window of it, in one reference."""
    left = grid.votes.copy()  # not yet explained by a span
    elsewhere = np.median(grid.votes, axis=1)  # evidence of most lines
    spans: list[Span] = []
    while len(spans) < MAX_SPANS and left.any():
        columns, votes = _best_line(left, grid.query_seconds, grid.reference_hop_seconds)
        least = _least(votes, elsewhere)
        first, last = _best_stretch(votes - least)
        rows = np.arange(first, last + 1)
        if not votes[rows].any():
            break
        ends = _end(grid, columns, first, -1), _end(grid, columns, last, 1)
        spans.append(_span(grid, rows, columns[rows], votes[rows], ends))
        left[rows] = 0  # a query descriptor counts once, also for the many equal frames of a still image
    return spans


def _speeds(steps: float) -> list[float]:
    """Return speeds, nearest to 1 first; neighbours differ by one column over a query of `steps` columns.

    The order matters: of equally good lines the first is kept.
    """
    n_aside = math.ceil((SPEED_RANGE[1] - 1) * max(steps, 1))
    speeds = np.linspace(*SPEED_RANGE, 2 * n_aside + 1).tolist()
    return sorted(speeds, key=lambda speed: abs(speed - 1))


def _best_line(left: np.ndarray, seconds: np.ndarray, hop: float) -> tuple[np.ndarray, np.ndarray]:
    """Find the line with the most evidence; return its column (q,) in each row, and the evidence (q,) there."""
    n_rows, n_columns = left.shape
    steps = (seconds - seconds[0]) / hop
    room = math.ceil(SPEED_RANGE[1] * steps[-1])
    wide = np.pad(_widened(left), ((0, 0), (room, room)))  # lines that start before the reference, or end after it
    voting = np.flatnonzero(left.any(axis=1))
    best, columns = 0.0, np.zeros(n_rows, np.int64)
    for speed in _speeds(float(steps[-1])):
        shift = np.rint(speed * steps).astype(np.int64)
        votes = np.zeros(n_columns + room, np.float32)
        for row, first in zip(voting.tolist(), shift[voting].tolist(), strict=True):
            votes += wide[row, first : first + len(votes)]  # slices: gathering takes twice as long
        peak = int(votes.argmax())
        if votes[peak] > best * SPEED_GAIN:
            best, columns = float(votes[peak]), peak + shift
    return columns - room, wide[np.arange(n_rows), columns]


def _widened(values: np.ndarray) -> np.ndarray:
    """Raise each value of (..., r) to half its neighbour's, so that a line between two columns finds both."""
    wide = values.copy()
    wide[..., 1:] = np.maximum(wide[..., 1:], 0.5 * values[..., :-1])
    wide[..., :-1] = np.maximum(wide[..., :-1], 0.5 * values[..., 1:])
    return wide


def _least(votes: np.ndarray, elsewhere: np.ndarray) -> float:
    """Return the evidence from which a row belongs to a stretch of a line with these votes (q,).

    It lies half-way between the best rows of the line and the same rows of most other lines.
    """
    n = min(PLATEAU_ROWS, len(votes))
    means = np.convolve(votes, np.full(n, 1 / n), "valid")
    best = int(means.argmax())
    plateau, around = float(means[best]), float(elsewhere[best : best + n].mean())
    return min(max(MEMBER_SHARE * plateau, (plateau + around) / 2), MOST_SHARE * plateau)


def _best_stretch(gains: np.ndarray) -> tuple[int, int]:
    """Return first and last row of the stretch with the largest sum of gains (Kadane's scan)."""
    best, best_first, best_last = -np.inf, 0, 0
    total, first, misses = 0.0, 0, 0
    for row, gain in enumerate(gains.tolist()):
        misses = 0 if gain > 0 else misses + 1
        if total <= 0 or misses > MAX_MISSES:
            total, first = 0.0, row
        total += gain
        if total > best and gain > 0:
            best, best_first, best_last = total, first, row
    return best_first, best_last


def _end(grid: Grid, columns: np.ndarray, row: int, step: int) -> float:
    """Return the second of the query where a stretch ends whose outermost row in the direction of `step` is `row`.

    Within a file, sameness ends up to a hop beyond the last clip that agrees; half a hop is right on average.
    """
    beyond = row + step
    is_inside = 0 <= beyond < len(columns) and 0 <= columns[beyond] < grid.votes.shape[1]
    reach = (grid.clip_seconds + grid.reference_hop_seconds * is_inside) / 2
    return float(grid.query_seconds[row] + step * reach)


def _span(
    grid: Grid, rows: np.ndarray, columns: np.ndarray, votes: np.ndarray, ends: tuple[float, float]
) -> Span:  # fmt: skip
    """Fit the line again through the votes around it; return its span between the ends, and its pairs."""
    query = grid.query_seconds[rows]
    n_columns = grid.votes.shape[1]
    around = np.clip(columns[:, None] + np.arange(-1, 2), 0, n_columns - 1)
    weight = grid.votes[rows[:, None], around] ** 4 + 1e-9  # sharp: a neighbouring clip shares most of its seconds
    centre = (weight * around).sum(1) / weight.sum(1)
    reference = grid.reference_first_seconds + grid.reference_hop_seconds * centre
    speed, offset = _line(query, reference, np.maximum(votes, 1e-3))
    reference_seconds = 2 * grid.reference_first_seconds + grid.reference_hop_seconds * (n_columns - 1)
    start, end = np.clip([offset + speed * each for each in ends], 0, reference_seconds).tolist()
    inside = (columns >= 0) & (columns < n_columns)
    pairs = grid.pairs(rows[inside], columns[inside])
    return Span((start - offset) / speed, (end - offset) / speed, start, end, pairs)


def _line(query: np.ndarray, reference: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Fit by weighted least squares, with a prior that keeps the speed of short spans near 1."""
    total = weight.sum()
    mean_query, mean_reference = (weight * query).sum() / total, (weight * reference).sum() / total
    apart = query - mean_query
    spread, prior = float((weight * apart**2).sum()), 2.0
    speed = (float((weight * apart * (reference - mean_reference)).sum()) + prior) / (spread + prior)
    speed = min(max(speed, SPEED_RANGE[0]), SPEED_RANGE[1])
    return speed, float(mean_reference - speed * mean_query)
