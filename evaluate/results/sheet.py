"""A table of text, for the terminal and for the docs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich import box
from rich.table import Table

LONGEST_KEPT = 40
"""Letters of words that the terminal does not wrap."""


def counted(n: int, noun: str) -> str:
    """3, "source" -> "3 sources"."""
    return f"{n} {noun}{'' if n == 1 else 's'}"


@dataclass(frozen=True)
class Sheet:
    """A table of text; a cell may hold rich's markup for the terminal.

    `n_labels` columns from the left hold words. The others hold numbers and are aligned right.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    n_labels: int = 1

    def shown(self) -> Table:
        """Return the table for the terminal. Numbers wrap at spaces where it is narrow."""
        table = Table(
            title=self.title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False,
        )  # fmt: skip
        for number, name in enumerate(self.columns):
            is_label = number < self.n_labels
            is_short = all(len(row[number]) <= LONGEST_KEPT for row in self.rows)
            table.add_column(name, justify="left" if is_label else "right", no_wrap=is_label and is_short)
        for row, after in zip(self.rows, [*self.rows[1:], None], strict=True):
            is_last_of_group = self.n_labels > 1 and after is not None and after[0] != row[0]
            table.add_row(*row, end_section=is_last_of_group)
        return table

    def joined(self) -> "Sheet":
        """Return the table with one row for all rows of the same numbers: their words, joined by commas."""
        words: dict[Sequence[str], list[str]] = {}
        for first, *cells in self.rows:
            words.setdefault(tuple(cells), []).append(first)
        return replace(self, rows=[(", ".join(names), *cells) for cells, names in words.items()])

    def grid(self) -> str:
        """Return the table in Markdown, without its title."""
        n_numbers = len(self.columns) - self.n_labels
        lines = [f"| {' | '.join(self.columns)} |", f"|{'---|' * self.n_labels}{'---:|' * n_numbers}"]
        return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in self.rows)])

    def markdown(self) -> str:
        """Return title and table in Markdown."""
        return f"{self.title[0].upper()}{self.title[1:]}:\n\n{self.grid()}"
