"""The results of a test as tables: for the terminal, the docs and model cards."""

from collections.abc import Sequence
from dataclasses import dataclass

from evaluate.protocols.cross_modal import CROSS_MODAL, CROSS_RECALL_AT, DIRECTIONS
from evaluate.protocols.retrieval import RECALL_AT
from evaluate.protocols.video_features import MODALITY_ORDER
from evaluate.results.results import Result
from evaluate.results.sheet import Sheet

_LAST = ("raw", "chance")


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
    with_interval: frozenset[tuple[str, str]] = frozenset()


RECOGNITION_TABLE = Layout(
    MODALITY_ORDER,
    {**{("retrieval", f"R@{k}"): f"R@{k}" for k in RECALL_AT}, ("knn", "top-1"): "kNN", ("linear", "top-1"): "linear"},
    frozenset({("retrieval", "R@1"), ("linear", "top-1")}),
)
CROSS_MODAL_TABLE = Layout(
    DIRECTIONS, {(CROSS_MODAL, f"R@{k}"): f"R@{k}" for k in CROSS_RECALL_AT}, frozenset({(CROSS_MODAL, "R@1")})
)
ESC50_TABLE = Layout(
    ("audio",),
    {
        ("svm", "top-1"): "SVM", ("logistic", "top-1"): "logistic", ("supervised", "top-1"): "with labels",
        ("svm-esc10", "top-1"): "SVM, ten", ("logistic-esc10", "top-1"): "logistic, ten",
        ("supervised-esc10", "top-1"): "with labels, ten",
    },
    frozenset({("svm", "top-1"), ("svm-esc10", "top-1")}),
)  # fmt: skip
FINETUNE_TABLE = Layout(("video",), {("finetune", "top-1"): "top-1"}, frozenset({("finetune", "top-1")}))


def layout_sheet(
    title: str, results: Sequence[Result], layout: Layout, *, counted: str = "queries", bold: bool = False
) -> Sheet:
    """Rows = modality and model, columns = those of the layout that were measured, in per cent, then the queries.

    Args:
        title: of the table.
        results: records of one test and split.
        layout: rows and columns; other records are left out.
        counted: title of the last column.
        bold: mark the best value of each modality and column.
    """
    shown = [r for r in results if (r.task, r.metric) in layout.columns]
    columns = [column for column in layout.columns if any((r.task, r.metric) == column for r in shown)]
    rows = []
    for modality in layout.modalities:
        own = [r for r in shown if r.modality == modality]
        found = {(r.model, r.task, r.metric): r for r in own}
        for model in model_order([r.model for r in own]):
            cells = []
            for column in columns:
                result = found.get((model, *column))
                text = cell_text(result, with_interval=column in layout.with_interval)
                is_best = result and result.value == max(r.value for r in own if (r.task, r.metric) == column)
                cells.append(f"[bold]{text}[/bold]" if bold and is_best else text)
            rows.append([modality, model, *cells, str(max(r.n for r in own if r.model == model))])
    titles = ["modality", "model", *(layout.columns[column] for column in columns), counted]
    return Sheet(title, titles, rows, n_labels=2)


def means_sheet(results: Sequence[Result], test: str, layout: Layout) -> Sheet:
    """Tabulate the means over splits of one test, the best in bold; `results` may hold other tests, too."""
    own = [r for r in results if r.test == test and (r.task, r.metric) in layout.columns]
    n_splits = len({r.split for r in own if r.split is not None})
    means = [r for r in own if r.split is None]
    return layout_sheet(f"{test}: mean over {n_splits} splits, per cent", means, layout, bold=True)


def folds_sheet(results: Sequence[Result], test: str) -> Sheet:
    """Rows = task and model, columns = top-1 in per cent: the mean over folds, then each fold.

    Args:
        results: records of any tests; only those of `test` are shown.
        test: the data set.
    """
    own = [r for r in results if r.test == test and r.metric == "top-1"]
    folds = sorted({r.split for r in own if r.split is not None})
    found = {(r.task, r.model, r.split): r for r in own}
    rows = []
    for task in dict.fromkeys(r.task for r in own):
        for model in model_order([r.model for r in own if r.task == task]):
            cells = (cell_text(found.get((task, model, fold)), with_interval=fold is None) for fold in (None, *folds))
            rows.append([task, model, *cells])
    title = f"{test}: top-1, mean over the folds shown and of each, per cent"
    return Sheet(title, ["task", "model", "mean", *map(str, folds)], rows, n_labels=2)


def cell_text(result: Result | None, *, with_interval: bool) -> str:
    """Such as "61.2", or "61.2 (54–68)" with the ends of the interval, per cent; "-" where nothing was measured."""
    if result is None:
        return "-"
    text = f"{100 * result.value:.1f}"
    if not with_interval or result.low is None or result.high is None:
        return text
    return f"{text} ({100 * result.low:.0f}–{100 * result.high:.0f})"


def model_order(models: Sequence[str]) -> list[str]:
    """Pretrained models first, then the others by name, raw input and chance last."""
    place = {model: 1 + i for i, model in enumerate(_LAST)}
    return sorted(set(models), key=lambda model: (-1 if model.startswith("pretrained") else place.get(model, 0), model))
