"""One test of a run: everything that the page shows of one data set."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluate.protocols.coverage import part_read, pretraining_note
from evaluate.protocols.video_features import MODALITY_ORDER, Modality
from evaluate.report.classes import ClassBars, class_bars
from evaluate.report.confusion import Confusion, build_confusions
from evaluate.report.gallery import Galleries, Media, build_galleries
from evaluate.report.headline import Headline, build_headline
from evaluate.report.inputs import Model, load_models
from evaluate.report.map import EmbeddingMap, build_map
from evaluate.report.papers import Papers, build_papers
from evaluate.report.result_tables import Table, build_tables, test_title
from evaluate.results.results import Result
from preprocess.synthetic.sample.classes import CLASS_BY_NAME
from train.run.checkpoint import LAST_NAME


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
