"""The whole method against the others: is it better by more than seeds differ among themselves."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from evaluate.ablation.aggregate import WHOLE, Cell, Column

TARGETS: tuple[Column, ...] = (("retrieval", "joint", "R@1"), ("linear", "joint", "top-1"))
"""What the whole method is compared in."""
_NOT_LEARNT = ("untrained", "raw", "chance")


@dataclass(frozen=True)
class Comparison:
    """The whole method against one row, in one column.

    Attributes:
        model: the row.
        column: what is compared.
        difference: whole - row, of the means over seeds.
        spread: pooled sample standard deviation over seeds; None where no objective has two seeds.
    """

    model: str
    column: Column
    difference: float
    spread: float | None

    @property
    def verdict(self) -> str:
        """What the difference says beside the spread."""
        if self.spread is None:
            return "one seed: no spread"
        if abs(self.difference) <= self.spread:
            return "within the spread"
        return "better by more than the spread" if self.difference > 0 else "worse"


def compare(cells: Mapping[str, Mapping[Column, Cell]]) -> tuple[Comparison, ...]:
    """Compare the whole method with every other objective; empty where it is not among the rows.

    Args:
        cells: by model and column.
    """
    found = []
    for model, row in cells.items():
        if model == WHOLE or model in _NOT_LEARNT:
            continue
        for column in TARGETS:
            whole, other = cells.get(WHOLE, {}).get(column), row.get(column)
            if whole and other:
                found.append(Comparison(model, column, whole.mean - other.mean, pooled_sd(whole, other)))
    return tuple(found)


def pooled_sd(first: Cell, second: Cell) -> float | None:
    """sqrt(((n1 - 1) s1^2 + (n2 - 1) s2^2) / (n1 + n2 - 2)); None where neither has two seeds."""
    freedom = [max(len(cell.by_seed) - 1, 0) for cell in (first, second)]
    if not sum(freedom):
        return None
    squares = sum(n * (cell.sd or 0.0) ** 2 for n, cell in zip(freedom, (first, second), strict=True))
    return math.sqrt(squares / sum(freedom))
