"""Where the time of a step goes: laps with names."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median


@dataclass
class Stopwatch:
    """Adds the time since the last lap to a name.

    Attributes:
        steps: seconds by name, of each step that was timed.
    """

    steps: list[dict[str, float]] = field(default_factory=list)
    _last: float = 0.0

    def start(self) -> None:
        """Begin a step."""
        self.steps.append({})
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """What passed since the last lap belongs to this part."""
        now = time.perf_counter()
        self.steps[-1][name] = self.steps[-1].get(name, 0.0) + now - self._last
        self._last = now

    def medians(self, names: Sequence[str]) -> dict[str, float]:
        """Median seconds a step of each part."""
        return {name: median(step.get(name, 0.0) for step in self.steps) for name in names}

    def totals(self) -> list[float]:
        """Seconds of each step."""
        return [sum(step.values()) for step in self.steps]
