"""The results of a test as a table for the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.table import Table

from evaluate.protocols.cross_modal import CROSS_MODAL, CROSS_RECALL_AT, DIRECTIONS
from evaluate.protocols.retrieval import RECALL_AT
from evaluate.protocols.video_features import MODALITY_ORDER
from evaluate.results.results import Result

_LAST = ("raw", "chance")
INTERVAL_WIDTH = 8
"""Characters of "(98–100)"."""


@dataclass(frozen=True)
class Layout:
    """The contents of a table.

    Attributes:
        modalities: of its rows, in order.
        columns: (task, metric) -> title, in order.
        with_interval: columns with their intervals; in all columns they would be too wide for a page.
    """

    modalities: tuple[str, ...]
    columns: dict[tuple[str, str], str]
    with_interval: frozenset[tuple[str, str]]

    def texts(self, row: "Sequence[Result | None]") -> list[str]:
        """Return the text of each cell of a row."""
        return [
            cell_text(result, with_interval=column in self.with_interval)
            for column, result in zip(self.columns, row, strict=True)
        ]

    def row(self, results: Sequence[Result], modality: str, model: str) -> list[Result | None]:
        """Return the record of each column, None where nothing was measured."""
        found = {(r.task, r.metric): r for r in results if (r.modality, r.model) == (modality, model)}
        return [found.get(column) for column in self.columns]


RECOGNITION_TABLE = Layout(
    MODALITY_ORDER,
    {**{("retrieval", f"R@{k}"): f"R@{k}" for k in RECALL_AT}, ("knn", "top-1"): "kNN", ("linear", "top-1"): "linear"},
    frozenset({("retrieval", "R@1"), ("linear", "top-1")}),
)
CROSS_MODAL_TABLE = Layout(
    DIRECTIONS, {(CROSS_MODAL, f"R@{k}"): f"R@{k}" for k in CROSS_RECALL_AT}, frozenset({(CROSS_MODAL, "R@1")})
)

SOUND_TABLE = Layout(
    ("audio",),
    {
        ("svm", "top-1"): "SVM", ("logistic", "top-1"): "logistic", ("supervised", "top-1"): "with labels",
        ("svm-esc10", "top-1"): "SVM, ten", ("logistic-esc10", "top-1"): "logistic, ten",
        ("supervised-esc10", "top-1"): "with labels, ten",
    },
    frozenset({("svm", "top-1"), ("svm-esc10", "top-1")}),
)  # fmt: skip
FINETUNE_TABLE = Layout(("video",), {("finetune", "top-1"): "top-1"}, frozenset({("finetune", "top-1")}))


def results_table(results: Sequence[Result], test: str, layout: Layout) -> Table:
    """Rows = modality and model, columns = those of the layout in per cent, mean over splits; the best is bold.

    Args:
        results: records of any tests; only the means of `test` are shown.
        test: the dataset.
        layout: rows and columns.
    """
    shown = [r for r in results if r.test == test and (r.task, r.metric) in layout.columns]
    means = [r for r in shown if r.split is None]
    splits = {r.split for r in shown if r.split is not None}
    table = Table(
        title=f"{test}: mean over {len(splits)} splits, per cent", title_justify="left",
        box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False,
    )  # fmt: skip
    table.add_column("modality", no_wrap=True)
    table.add_column("model", min_width=10)
    for column, title in layout.columns.items():
        # An interval goes under its number: at 80 columns both would not stand beside each other.
        if column in layout.with_interval:
            table.add_column(title, justify="right", max_width=INTERVAL_WIDTH)
        else:
            table.add_column(title, justify="right", no_wrap=True, min_width=4)
    table.add_column("asked", justify="right", no_wrap=True)
    for modality in (m for m in layout.modalities if any(r.modality == m for r in means)):
        models = model_order([r.model for r in means if r.modality == modality])
        rows = {model: layout.row(means, modality, model) for model in models}
        best = [max((r.value for r in column if r), default=0.0) for column in zip(*rows.values(), strict=True)]
        for model, row in rows.items():
            cells = [_bold(*cell) for cell in zip(layout.texts(row), row, best, strict=True)]
            n = max((r.n for r in row if r), default=0)
            table.add_row(modality, model, *cells, f"{n:,}", end_section=model == models[-1])
    return table


def cell_text(result: Result | None, *, with_interval: bool) -> str:
    """Such as "61.2", or "61.2 (54–68)" with the ends of the interval, per cent; "-" where nothing was measured."""
    if result is None:
        return "-"
    text = f"{100 * result.value:.1f}"
    if not with_interval or result.low is None or result.high is None:
        return text
    return f"{text} ({100 * result.low:.0f}–{100 * result.high:.0f})"


def _bold(text: str, result: Result | None, best: float) -> str:
    return f"[bold]{text}[/bold]" if result and result.value >= best else text


def folds_table(results: Sequence[Result], test: str) -> Table:
    """Rows = model, columns = each task's top-1 in per cent: the mean over folds, and each fold.

    Args:
        results: records of any tests; only those of `test` with folds are shown.
        test: the dataset.
    """
    rows = [r for r in results if r.test == test and r.metric == "top-1"]
    folds = sorted({r.split for r in rows if r.split is not None})
    found = {(r.model, r.task, r.split): r for r in rows}
    tasks = list(dict.fromkeys(r.task for r in rows))
    table = Table(
        title=f"{test}: top-1, mean over {len(folds)} folds and of each, per cent", title_justify="left",
        box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False,
    )  # fmt: skip
    for name in ("task", "model", "mean", *map(str, folds)):
        # At 80 columns an interval goes under its number.
        table.add_column(name, justify="left" if name in ("task", "model") else "right", no_wrap=name != "mean")
    for task in tasks:
        models = model_order([r.model for r in rows if r.task == task])
        for model in models:
            cells = [cell_text(found.get((model, task, fold)), with_interval=fold is None) for fold in (None, *folds)]
            table.add_row(task, model, *cells, end_section=model == models[-1])
    return table


def model_order(models: Sequence[str]) -> list[str]:
    """Pretrained in all its ways first, then the others by name, raw input and chance last."""
    place = {model: 1 + i for i, model in enumerate(_LAST)}
    return sorted(set(models), key=lambda model: (-1 if model.startswith("pretrained") else place.get(model, 0), model))
