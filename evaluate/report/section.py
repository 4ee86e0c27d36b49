"""The part of the page about one test."""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluate.errors import SplitError
from evaluate.protocols.coverage import coverage, part_read, pretraining_note
from evaluate.report.classes import Confusion, Recalls, build_confusions, class_recalls
from evaluate.report.gallery import Galleries, Media, build_galleries
from evaluate.report.inputs import Model, load_models
from evaluate.report.map import build_map
from evaluate.report.papers import Papers, build_papers
from evaluate.report.result_tables import Column, Group, Table, best, build_tables, test_title
from evaluate.results.results import Result
from preprocess.shards.manifest import read_dataset
from preprocess.synthetic.sample.classes import CLASS_BY_NAME
from train.run.checkpoint import LAST_NAME

HEADLINE_COLUMNS: tuple[Column, ...] = (("retrieval", "R@1"), ("linear", "top-1"), ("svm", "top-1"))
"""Candidates for the number at the top: the first that a test has, or else its first column."""


@dataclass(frozen=True)
class Section:
    """Contents of the part about one test; those whose data the run lacks are None or empty.

    The test has a name in the results, one for readers, and one for ids in the page. An item is a "video", or a "recording"
    if there is no video stream. Encoders are checksums; the headline is the column of the number at the top.
    """

    name: str
    title: str
    slug: str
    item: str
    encoders: Mapping[str, str]
    notes: Sequence[str]
    headline: tuple[Column, Mapping[str, Group]] | None
    tables: tuple[Table, ...]
    papers: Papers | None
    galleries: Galleries | None
    embedding_map: Mapping[str, Any] | None
    recalls: Recalls | None
    confusions: Sequence[Confusion]


def build_section(run: Path, test: str, results: Sequence[Result], media: Media | None) -> Section | None:
    """Collect the data of a test; None if the run has neither results nor embeddings of it.

    EvaluateError, StoreError, PreprocessError or TrainError if a store, the shards or the checkpoint cannot be read.
    """
    models, own = load_models(run, test), [result for result in results if result.test == test]
    if not own and not models:
        return None
    tables, model = build_tables(own), models.get("pretrained")
    neighbours, sample = model.neighbours if model else {}, is_sample(models.values(), media)
    first_split = {str(modality): splits[0] for modality, splits in neighbours.items() if modality != "joint"}
    headline = None
    if tables:
        column = next((each for each in HEADLINE_COLUMNS if each in tables[0].columns), tables[0].columns[0])
        headline = column, {name: each for name, each in tables[0].groups.items() if best(each, column) is not None}
    return Section(
        name=test,
        title=f"{test_title(test)}, on the sample world" if sample else test_title(test),
        slug=re.sub(r"[^a-z0-9]+", "-", test.lower()).strip("-") or "test",
        item="recording" if model and not model.videos.has("video") else "video",
        encoders={name: each.encoder_sha256 for name, each in models.items()},
        notes=_notes(run, model, media),
        headline=headline,
        tables=tables,
        papers=None if sample else build_papers(own, test, run.name),
        galleries=build_galleries(first_split, media) if first_split and media else None,
        embedding_map=build_map(models) if model else None,
        recalls=class_recalls(models) if neighbours else None,
        confusions=tuple(build_confusions(model)) if model else (),
    )


def is_sample(models: Iterable[Model], media: Media | None) -> bool:
    """Whether the videos are the generated sample, which has UCF101's layout but no numbers in papers.

    A run without embeddings of these models is known by its shard set.
    """
    names = {name for model in models for name in model.videos.label_names}
    names = names or set(read_dataset(media.shards).label_names if media else ())
    return bool(names) and names <= set(CLASS_BY_NAME)


def _notes(run: Path, model: Model | None, media: Media | None) -> list[str]:
    """Name what a reader of the numbers should know; nothing of what pretraining has seen if it read other shards."""
    if model is None or media is None:
        return []
    notes = [str(split) for split in coverage(model.videos, media.shards) if not split.is_whole]
    if model.shards_fingerprint != read_dataset(media.shards).fingerprint:
        notes.append(f"the embeddings are of other shards than {media.shards} holds now: evaluate the run again")
    checkpoint = run / "checkpoints" / LAST_NAME
    read = part_read(checkpoint, media.shards) if checkpoint.exists() else None
    with suppress(SplitError):  # nothing is tested where a split lacks a side
        notes += filter(None, [] if read is None else [pretraining_note(model.videos, read)])
    return notes
