"""Alignment: spans of a query and a reference from their evidence, by Hough voting over offset and speed.

Every pair of a query and a reference descriptor votes with its evidence for lines  reference = offset + speed x query.
For one speed the votes of a query descriptor are a shifted row of the evidence, so the votes for all offsets are a sum of
shifted rows. The best line is cut to the stretch of the query with evidence for it. These rows are then removed, and the
next line is sought, because queries with cuts, and compilations, hold several spans. Reasons:
docs/explanation/fingerprints.md.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

SPEED_RANGE = (0.82, 1.18)
"""A little more than 0.84 to 1.16, the range that must be found."""
SPEED_GAIN = 1.02
"""A speed must have this many times the votes of a speed nearer to 1 to replace it."""
MEMBER_SHARE = 0.45
"""A descriptor belongs to a stretch if its evidence is at least this share of the mean over the better half of the line.
After a cut to another video, evidence by chance is lower."""
MAX_MISSES = 4
"""Consecutive descriptors below the share; a longer gap ends the stretch, however strong it was."""
WINDOW_SECONDS = 24.0
"""Longer queries are matched in windows: a speed between two steps of the list is a hop off after half a minute."""
LEAST_EVIDENCE = 0.25
"""Evidence of a pair; less is noise."""
MAX_SPANS = 6
"""Per window and reference."""


@dataclass(frozen=True)
class Span:
    """A stretch where query and reference follow one line, in seconds, from the start of a clip to the end of one.

    Attributes:
        query_start, query_end, reference_start, reference_end: half open.
        evidence: by modality, summed over the query descriptors in the span, if query and reference have the modality.
        n: by modality, the number of these descriptors.
    """

    query_start: float
    query_end: float
    reference_start: float
    reference_end: float
    evidence: tuple[float, ...]
    n: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Grid:
    """Descriptors of a query and of a reference at fixed hops.

    Attributes:
        query_seconds: float64 (q,), middles of the query's clips, ascending.
        reference_first_seconds: middle of the first column's clip, which starts with the reference.
        reference_hop_seconds: time between columns.
        evidence: float32 (m, q, r) in [0, 1], by modality.
        has: bool (m, q, r) or broadcastable, where query and reference have the modality.
        clip_seconds: length of a clip.
    """

    query_seconds: np.ndarray
    reference_first_seconds: float
    reference_hop_seconds: float
    evidence: np.ndarray
    has: np.ndarray
    clip_seconds: float

    @cached_property
    def votes(self) -> np.ndarray:
        """Votes for lines, the sum over modalities, float32 (q, r).

        A missing or silent modality takes nothing from the other. A still image supports every line; then the audio decides.
        """
        total: np.ndarray = self.evidence.sum(axis=0)
        return np.where(self.evidence.max(axis=0) >= LEAST_EVIDENCE, total, 0)

    @cached_property
    def widened(self) -> np.ndarray:
        """The evidence (m, q, r), raised as in `_widened`."""
        return _widened(self.evidence)


def find_spans(grid: Grid) -> list[Span]:
    """Find the spans of a query, or of a window of it, in one reference."""
    left = grid.votes.copy()  # not yet explained by a span
    spans: list[Span] = []
    while len(spans) < MAX_SPANS and left.any():
        columns, votes = _best_line(left, grid.query_seconds, grid.reference_hop_seconds)
        first, last = _best_stretch(votes)
        rows = np.arange(first, last + 1)
        inside = (columns[rows] >= 0) & (columns[rows] < left.shape[1])
        if not (votes[rows] * inside).any():
            break
        spans.append(_span(grid, rows, columns[rows], votes[rows] * inside))
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


def _best_stretch(values: np.ndarray) -> tuple[int, int]:
    """Return first and last row of the stretch whose evidence exceeds the least by the most (Kadane's scan)."""
    positive = np.sort(values[values > 0])
    if not len(positive):
        return 0, 0
    least = MEMBER_SHARE * float(positive[len(positive) // 2 :].mean())
    best, best_first, best_last = -np.inf, 0, 0
    total, first, misses = 0.0, 0, 0
    for row, gain in enumerate((values - least).tolist()):
        misses = 0 if gain > 0 else misses + 1
        if total <= 0 or misses > MAX_MISSES:
            total, first = 0.0, row
        total += gain
        if total > best and gain > 0:
            best, best_first, best_last = total, first, row
    return best_first, best_last


def _span(grid: Grid, rows: np.ndarray, columns: np.ndarray, votes: np.ndarray) -> Span:
    """Fit the line again through the votes around it; return its start, end and evidence."""
    query = grid.query_seconds[rows]
    n_columns = grid.votes.shape[1]
    around = np.clip(columns[:, None] + np.arange(-1, 2), 0, n_columns - 1)
    weight = grid.votes[rows[:, None], around] ** 4 + 1e-9  # sharp: a neighbouring clip shares most of its seconds
    centre = (weight * around).sum(1) / weight.sum(1)
    reference = grid.reference_first_seconds + grid.reference_hop_seconds * centre
    speed, offset = _line(query, reference, np.maximum(votes, 1e-3))
    half = grid.clip_seconds / 2
    start, end = query[0] - half, query[-1] + half
    reference_seconds = 2 * grid.reference_first_seconds + grid.reference_hop_seconds * (n_columns - 1)
    reference_start, reference_end = np.clip([offset + speed * start, offset + speed * end], 0, reference_seconds)
    inside = votes > 0
    at = (slice(None), rows[inside], columns[inside])
    has = np.broadcast_to(grid.has, grid.evidence.shape)[at]
    evidence = grid.widened[at]
    missed = len(rows) - int(inside.sum())  # without evidence in any modality
    return Span(
        float(start), float(end), float(reference_start), float(reference_end),
        tuple((evidence * has).sum(axis=1).tolist()), tuple((has.sum(axis=1) + missed * has.any(axis=1)).tolist()),
    )  # fmt: skip


def _line(query: np.ndarray, reference: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Fit by weighted least squares, with a prior that keeps the speed of short spans near 1."""
    total = weight.sum()
    mean_query, mean_reference = (weight * query).sum() / total, (weight * reference).sum() / total
    apart = query - mean_query
    spread, prior = float((weight * apart**2).sum()), 2.0
    speed = (float((weight * apart * (reference - mean_reference)).sum()) + prior) / (spread + prior)
    speed = min(max(speed, SPEED_RANGE[0]), SPEED_RANGE[1])
    return speed, float(mean_reference - speed * mean_query)


def join_spans(spans: Sequence[Span], near_seconds: float) -> list[Span]:
    """Join spans that continue where the one before ended, in the query and in the reference.

    Args:
        spans: of one query and one reference, in any order.
        near_seconds: largest gap or overlap between an end and the next start.
    """
    joined: list[Span] = []
    for span in sorted(spans, key=lambda each: (each.query_start, each.reference_start)):
        before = joined[-1] if joined else None
        if before is not None and _continues(before, span, near_seconds):
            joined[-1] = Span(
                before.query_start, max(before.query_end, span.query_end),
                before.reference_start, max(before.reference_end, span.reference_end),
                tuple(map(sum, zip(before.evidence, span.evidence, strict=True))),
                tuple(map(sum, zip(before.n, span.n, strict=True))),
            )  # fmt: skip
        else:
            joined.append(span)
    return joined


def _continues(before: Span, span: Span, near_seconds: float) -> bool:
    in_query = span.query_start - before.query_end
    in_reference = span.reference_start - before.reference_end
    return abs(in_query) <= near_seconds and abs(in_reference - in_query) <= near_seconds / 2
