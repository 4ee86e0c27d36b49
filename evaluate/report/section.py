"""One test of a run: everything that the page shows of one data set."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluate.protocols.coverage import part_read, pretraining_note
from evaluate.protocols.retrieval import Neighbourhood, per_class_recall
from evaluate.protocols.video_features import MODALITY_ORDER, Modality
from evaluate.report.confusion import Confusion, build_confusions
from evaluate.report.gallery import Galleries, Media, build_galleries
from evaluate.report.inputs import Model, class_names, load_models
from evaluate.report.map import EmbeddingMap, build_map
from evaluate.report.papers import Papers, build_papers
from evaluate.report.result_tables import Column, Table, build_tables, model_title, test_title
from evaluate.results.results import Result
from preprocess.synthetic.sample.classes import CLASS_BY_NAME
from train.run.checkpoint import LAST_NAME

COLUMNS: tuple[Column, ...] = (("retrieval", "R@1"), ("linear", "top-1"), ("svm", "top-1"))
"""The number to show: the first of these that a test has, else its first column."""


@dataclass(frozen=True)
class Bar:
    """The number of one model."""

    title: str
    value: float
    is_main: bool


@dataclass(frozen=True)
class Headline:
    """A number of the pretrained model in the first modality, those it is measured by, and the bars of each modality."""

    column: Column
    modality: str
    main: Bar | None
    others: tuple[Bar, ...]
    bars: tuple[tuple[str, tuple[Bar, ...]], ...]


@dataclass(frozen=True)
class ClassBar:
    """R@1 of one class in one modality; `untrained` is None where there is no such model."""

    recall: float
    n: int
    untrained: float | None


@dataclass(frozen=True)
class ClassBars:
    """A class and its bars, one a modality (None: never queried)."""

    name: str
    bars: tuple[ClassBar | None, ...]


@dataclass(frozen=True)
class Section:
    """What is shown of one test; parts whose data the run lacks are None or empty.

    Attributes:
        name: of the test, as in the results.
        title: the same, for readers.
        slug: the same, for ids in the page.
        models: of the stored embeddings, by name.
        note: which test videos pretraining has seen, if any.
    """

    name: str
    title: str
    slug: str
    models: Mapping[str, Model]
    note: str
    headline: Headline | None
    tables: tuple[Table, ...]
    papers: Papers | None
    galleries: Galleries | None
    embedding_map: EmbeddingMap | None
    bars: tuple[ClassBars, ...]
    bar_modalities: tuple[Modality, ...]
    confusions: tuple[Confusion, ...]

    @property
    def item(self) -> str:
        """What the test is about: a video, or a recording where there is no picture."""
        model = self.models.get("pretrained")
        return "recording" if model and not model.videos.has("video") else "video"

    @property
    def parts(self) -> tuple[tuple[str, str], ...]:
        """(id, title) of the parts that are there."""
        there = (
            ("results", "Results", self.tables),
            ("papers", "Papers", self.papers),
            ("neighbours", "Nearest neighbours", self.galleries),
            ("map", "Map", self.embedding_map),
            ("classes", "Classes", self.bars),
        )
        return tuple((f"{self.slug}-{name}", title) for name, title, part in there if part)


def build_section(run: Path, test: str, results: Sequence[Result], media: Media | None) -> Section | None:
    """Put together what a run knows of a test; None where it has neither results nor embeddings of it.

    Raises:
        EvaluateError, StoreError, PreprocessError, TrainError: a store, the shards or the checkpoint cannot be read.
    """
    models = load_models(run, test)
    tables = tuple(build_tables(results, test))
    if not tables and not models:
        return None
    model = models.get("pretrained")
    searched = [modality for modality in MODALITY_ORDER if model and model.neighbours.get(modality)]
    single = tuple(modality for modality in searched if modality != "joint")
    galleries = None
    if model and single and media:
        galleries = build_galleries({modality: model.neighbours[modality][0] for modality in single}, media)
    return Section(
        name=test,
        title=f"{test_title(test)}, on the sample world" if is_sample(model) else test_title(test),
        slug=re.sub(r"[^a-z0-9]+", "-", test.lower()).strip("-") or "test",
        models=models,
        note=_note(run, model, media),
        headline=build_headline(tables),
        tables=tables,
        papers=None if is_sample(model) else build_papers(results, test, run.name),
        galleries=galleries,
        embedding_map=build_map(models) if model else None,
        bars=tuple(class_bars(models, single)) if model else (),
        bar_modalities=single,
        confusions=tuple(build_confusions(model, searched)) if model else (),
    )


def is_sample(model: Model | None) -> bool:
    """Whether the videos are the embedded sample's, which has UCF101's layout: no paper's numbers are about them."""
    return model is not None and set(model.videos.label_names) <= set(CLASS_BY_NAME)


def _note(run: Path, model: Model | None, media: Media | None) -> str:
    """Say which test videos pretraining has seen; nothing where it read other shards, or is not there to be asked."""
    checkpoint = run / "checkpoints" / LAST_NAME
    if model is None or media is None or not checkpoint.exists():
        return ""
    read = part_read(checkpoint, media.shards)
    return "" if read is None else pretraining_note(model.videos, read)


def build_headline(tables: Sequence[Table]) -> Headline | None:
    """One number of all models in a test's first table; None where there is no table."""
    if not tables:
        return None
    columns = tables[0].columns
    column = next((column for column in COLUMNS if column in columns), columns[0])
    at = columns.index(column)
    groups = []
    for modality, rows in tables[0].groups:
        bars = tuple(
            Bar(model_title(row.model, modality), value, row.model == "pretrained")
            for row in rows
            if (value := row.mean.values[at]) is not None
        )
        if bars:
            groups.append((modality, bars))
    modality, bars = groups[0]
    main = next((bar for bar in bars if bar.is_main), None)
    return Headline(column, modality, main, tuple(bar for bar in bars if not bar.is_main), tuple(groups))


def pooled_recall(neighbours: Sequence[Neighbourhood]) -> dict[int, tuple[float, int]]:
    """R@1 per label over several splits: {label: (recall, number of queries)}."""
    hits: dict[int, float] = {}
    queries: dict[int, int] = {}
    for split in neighbours:
        for label, (recall, n) in per_class_recall(split, 1).items():
            hits[label] = hits.get(label, 0.0) + recall * n
            queries[label] = queries.get(label, 0) + n
    return {label: (hits[label] / n, n) for label, n in queries.items()}


def class_bars(models: Mapping[str, Model], modalities: Sequence[Modality]) -> list[ClassBars]:
    """Bars of the pretrained model, the best class of the first modality on top."""
    model = models["pretrained"]
    rival = models.get("untrained")
    recall = {name: pooled_recall(model.neighbours.get(name, ())) for name in modalities}
    other = {name: pooled_recall(rival.neighbours.get(name, ())) if rival else {} for name in modalities}

    def bar(label: int, modality: Modality) -> ClassBar | None:
        if label not in recall[modality]:
            return None
        return ClassBar(*recall[modality][label], other[modality].get(label, (None, 0))[0])

    rows = [
        (label, ClassBars(name, tuple(bar(label, modality) for modality in modalities)))
        for label, name in class_names(model.videos).items()
    ]
    rows.sort(key=lambda row: (-max(recall[name].get(row[0], (0.0, 0))[0] for name in modalities[:1]), row[1].name))
    return [row for _, row in rows if any(row.bars)]
