"""Training curves: small panels of the losses and of the temporal tasks' accuracies."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MAX_POINTS = 240
WIDTH, HEIGHT = 300, 120
"""Plot area of a panel, in the SVG's own units."""
CHANCE = {"direction": 1 / 2, "order": 1 / 3}
"""Accuracy of guessing; that of speed depends on how many speeds the run tells apart."""

GROUPS = {
    "accuracy": "Temporal tasks: accuracy on training batches",
    "heldout": "Temporal tasks: accuracy on held-out segments",
    "terms": "Loss and its terms, unweighted",
    "purity": "Share of the bank's positives that are of the anchor's class (labels are used for this measure only)",
    "other": "Optimisation",
}
SHARES = ("accuracy", "heldout", "purity")
"""Groups whose values are fractions: their panels reach from 0 to 1."""


@dataclass(frozen=True)
class LogEntry:
    """One line of log.jsonl."""

    step: int
    loss: float
    terms: Mapping[str, float]
    metrics: Mapping[str, float]
    seconds: float


@dataclass(frozen=True)
class Panel:
    """One curve: SVG path data in [0, WIDTH] x [0, HEIGHT], y downwards."""

    title: str
    raw: str
    smooth: str
    low: float
    high: float
    last: float
    last_y: float
    chance: float | None
    chance_y: float | None
    is_share: bool


@dataclass(frozen=True)
class Curves:
    """All panels of a run, by group, and the span that they share."""

    groups: tuple[tuple[str, tuple[Panel, ...]], ...]
    first_step: int
    last_step: int
    seconds: float


def load_log(path: Path) -> list[LogEntry]:
    """Read log.jsonl in step order; a step logged again after a resume replaces the earlier line.

    A line that a killed run left half written is passed over: it is no number yet.
    """
    entries: dict[int, LogEntry] = {}
    for record in _json_lines(path):
        step = record["step"]
        loss, seconds = (_number(record.get(name)) for name in ("loss", "seconds"))
        entries[step] = LogEntry(step, loss, _numbers(record.get("terms")), _numbers(record.get("metrics")), seconds)
    return [entries[step] for step in sorted(entries)]


def build_curves(log: Sequence[LogEntry], n_speeds: int) -> Curves | None:
    """Draw a panel for the loss, for each term and for each metric; None without a log of two steps."""
    if len(log) < 2:
        return None
    series: dict[str, list[tuple[int, float]]] = {"terms/total": [(entry.step, entry.loss) for entry in log]}
    for entry in log:
        for name, value in _series(entry):
            series.setdefault(name, []).append((entry.step, value))
    span = (log[0].step, log[-1].step)
    groups: dict[str, list[Panel]] = {title: [] for title in GROUPS.values()}
    for name, points in series.items():
        finite = np.array([point for point in points if math.isfinite(point[1])], np.float64)
        if len(finite) >= 2:
            kind, title = name.split("/", 1)
            groups[GROUPS[kind]].append(_panel(title, finite, span, kind, n_speeds))
    seconds = [entry.seconds for entry in log if math.isfinite(entry.seconds)]
    shown = tuple((title, tuple(panels)) for title, panels in groups.items() if panels)
    return Curves(shown, *span, max(seconds, default=0.0))


def chance_of(task: str, n_speeds: int) -> float | None:
    """Accuracy that guessing has in a temporal task, by the start of its name."""
    if task.startswith("speed"):
        return 1 / n_speeds
    return next((value for start, value in CHANCE.items() if task.startswith(start)), None)


def _series(entry: LogEntry) -> Iterator[tuple[str, float]]:
    """(group/name, value) of everything in a log line besides the loss."""
    yield from ((f"terms/{name}", value) for name, value in entry.terms.items())
    for name, value in entry.metrics.items():
        yield (name if name.partition("/")[0] in GROUPS and "/" in name else f"other/{name}"), value


def _panel(title: str, points: np.ndarray, span: tuple[int, int], kind: str, n_speeds: int) -> Panel:
    step, value = _thin(points)
    smooth = _smooth(value)
    chance = chance_of(title, n_speeds) if kind in ("accuracy", "heldout") else None
    low, high = (0.0, 1.0) if kind in SHARES else _range(value)

    def y(number: float) -> float:
        return round(float(HEIGHT * (1 - (min(max(number, low), high) - low) / (high - low))), 1)

    x = WIDTH * (step - span[0]) / max(1, span[1] - span[0])

    def path(numbers: np.ndarray) -> str:
        return "M" + "L".join(f"{at:.1f} {y(number)}" for at, number in zip(x, numbers, strict=True))

    return Panel(
        title=title.replace("_", " ").replace("/", " "),
        raw=path(value),
        smooth=path(smooth),
        low=low,
        high=high,
        last=float(smooth[-1]),
        last_y=y(float(smooth[-1])),
        chance=chance,
        chance_y=None if chance is None else y(chance),
        is_share=kind in SHARES,
    )


def _thin(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, 2) to at most MAX_POINTS means of neighbouring points: steps and values."""
    parts = np.array_split(points, min(len(points), MAX_POINTS))
    means = np.array([part.mean(axis=0) for part in parts])
    return means[:, 0], means[:, 1]


def _smooth(values: np.ndarray) -> np.ndarray:
    """Centred moving average over about an eighth of the curve, shorter towards its ends."""
    reach = len(values) // 16
    return np.array([values[max(0, i - reach) : i + reach + 1].mean() for i in range(len(values))])


def _range(values: np.ndarray) -> tuple[float, float]:
    low, high = (float(np.percentile(values, q)) for q in (1, 99))
    low, high = min(low, float(values[-1])), max(high, float(values[-1]))
    margin = 0.08 * (high - low) or max(abs(high), 1.0) * 0.05
    # Losses and rates are never below 0: an axis that goes there would only puzzle.
    return max(low - margin, 0.0) if low >= 0 else low - margin, high + margin


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(record, dict) and isinstance(record.get("step"), int):
            yield record


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _numbers(values: Any) -> dict[str, float]:
    return {str(name): _number(value) for name, value in values.items()} if isinstance(values, dict) else {}
