"""The model card of an export: Markdown, from the run's own records and nothing else."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from train.config.schema import TERMS
from train.export.run_records import ResultRecord, RunRecords
from train.run.checkpoint import LoadedEncoders

TEMPLATE = Path(__file__).parent / "model_card.md.j2"

ACCURACY = "accuracy/"
HELDOUT = "heldout/"


@dataclass(frozen=True)
class ResultTable:
    """Results of one test and split, ready to print: cells in per cent, "-" where nothing was measured."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def model_card(loaded: LoadedEncoders, info: dict[str, Any], records: RunRecords, *, onnx: bool) -> str:
    """Write the card.

    Args:
        loaded: the encoders.
        info: what config.json says.
        records: of the run.
        onnx: whether the ONNX files are there.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - Markdown, not HTML: `code` keeps names from the records inside their quotes
        keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters["code"] = _code
    config = loaded.config
    dataset = records.dataset.dataset if records.dataset else None
    weights = {name: getattr(config.loss, name) for name in TERMS}
    return environment.get_template(TEMPLATE.name).render(
        config=config, info=info, records=records, onnx=onnx,
        parameters={name: _n_parameters(loaded, name) for name in ("video", "audio")},
        terms={name: weight for name, weight in weights.items() if weight > 0},
        off=[name for name, weight in weights.items() if weight <= 0],
        untrained=[each for each in ("video", "audio") if not any(each in n for n, weight in weights.items() if weight > 0)],
        bank=asdict(config.bank),
        accuracies=_accuracies(records.last),
        tables=result_tables(records.results, config.data.split, dataset),
    )  # fmt: skip


def result_tables(
    results: Sequence[ResultRecord], split: str = "", dataset: str | None = None
) -> tuple[ResultTable, ...]:
    """Tables of every test: the mean over splits where that is recorded, else each split.

    On the data set that was trained on, the split that was kept to comes first: of other splits, and so of a mean, the
    pretraining has seen test videos, and the title says so.

    Args:
        results: of the run.
        split: that was trained on, such as "1:train"; empty for everything.
        dataset: that was trained on; None if it is not known, and may be any.
    """
    number, _, side = split.partition(":")
    kept = int(number) if side == "train" and number.isdecimal() else None
    tables = []
    for test in dict.fromkeys(r.test for r in results):
        own = [r for r in results if r.test == test]
        numbers = list(dict.fromkeys(r.split for r in own if r.split is not None))
        trained_on = dataset in (None, test)
        if trained_on and kept in numbers:
            tables.append(_table(f"{test}, split {kept}, whose training part the encoders learnt from", own, kept))
            numbers.remove(kept)
            if not numbers:  # the mean over one split says nothing new
                continue
        seen = "; the pretraining has seen test videos of it, without labels" if trained_on else ""
        if any(r.split is None for r in own):
            title = f"mean over {len({r.split for r in own} - {None})} splits" if numbers else "no split named"
            tables.append(_table(f"{test}, {title}{seen}", own, None))
        else:
            tables += [_table(f"{test}, split {n}{seen}", own, n) for n in numbers]
    return tuple(tables)


def _table(title: str, results: Sequence[ResultRecord], split: int | None) -> ResultTable:
    shown = [r for r in results if r.split == split]
    columns = tuple(dict.fromkeys(f"{r.task} {r.metric}" for r in shown))
    rows = []
    for modality, model in dict.fromkeys((r.modality, r.model) for r in shown):
        own = {f"{r.task} {r.metric}": r for r in shown if (r.modality, r.model) == (modality, model)}
        cells = (f"{100 * own[column].value:.1f}" if column in own else "-" for column in columns)
        rows.append((modality, model, *cells, str(max(r.n for r in own.values()))))
    return ResultTable(title, ("modality", "model", *columns, "asked"), tuple(rows))


def _accuracies(last: dict[str, Any] | None) -> dict[str, float]:
    """The accuracies of the last logged step by their names, without those that had nothing to measure."""
    metrics = last["metrics"] if last else {}
    chosen = {name: value for name, value in metrics.items() if name.startswith((ACCURACY, HELDOUT))}
    return {name.removeprefix(ACCURACY): value for name, value in chosen.items() if value is not None}


def _n_parameters(loaded: LoadedEncoders, modality: str) -> int:
    return sum(p.numel() for p in getattr(loaded.encoders, f"{modality}_net").parameters())


def _code(value: object) -> str:
    """Any text as inline code in one table cell."""
    plain = " ".join(str(value).split()).replace("`", "'").replace("|", "/")
    return f"`{plain}`" if plain else "(none)"
