"""RUN/report/index.html: everything about a run on one page that needs no network."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluate.coverage import pretraining_note
from evaluate.errors import EvaluateError
from evaluate.report.classes import build_confusion, class_bars
from evaluate.report.curves import build_curves, load_log
from evaluate.report.gallery import build_galleries
from evaluate.report.headline import build_headline
from evaluate.report.inputs import MODALITIES, Model, load_models
from evaluate.report.map import build_map
from evaluate.report.provenance import collect, read_config, setting
from evaluate.report.tables import build_tables
from evaluate.report.template import render
from evaluate.results import RESULTS_NAME, read_results
from store.atomic import replacing
from train.runlog import LOG_NAME

logger = logging.getLogger(__name__)

DEFAULT_SPEEDS = [1, 2, 4, 8]


def write_report(run: Path, shards: Path, dataset: str) -> Path:
    """Write the page of a run and return its path; sections whose data the run lacks are left out.

    Args:
        run: folder with results.json, embeddings/, log.jsonl and config.yaml.
        shards: the shard set that the embeddings were made from.
        dataset: name of the embeddings and of the test to put first.

    Raises:
        EvaluateError: the run has neither results nor embeddings, or they cannot be read.
        PreprocessError, StoreError: the shards or a store cannot be read.
    """
    results = read_results(run / RESULTS_NAME)
    models = load_models(run, dataset)
    if not results and not models:
        raise EvaluateError(
            f"{run}: holds neither {RESULTS_NAME} nor embeddings/{dataset}.h5; "
            f"run `python -m evaluate {dataset} --run {run} --shards {shards}` first"
        )
    text, config = read_config(run)
    tables = build_tables(results, dataset)
    page = render(
        run=run.name,
        dataset=dataset,
        headline=build_headline(tables),
        tables=tables,
        curves=build_curves(load_log(run / LOG_NAME), len(setting(config, "clip", "speeds", DEFAULT_SPEEDS))),
        origin=collect(run, shards, dataset, models, text),
        note=_note(models, shards, config),
        **_sections(models, shards),
    )
    path = run / "report" / "index.html"
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    logger.info("%s: %.1f MB", path, path.stat().st_size / 1e6)
    return path


def _note(models: Mapping[str, Model], shards: Path, config: Mapping[str, Any]) -> str:
    """Say which test videos pretraining has seen; nothing where it read other shards."""
    if "pretrained" not in models or Path(setting(config, "data", "shards", "")).resolve() != shards.resolve():
        return ""
    return pretraining_note(models["pretrained"].videos, setting(config, "data", "split", ""))


def _sections(models: dict[str, Model], shards: Path) -> dict[str, object]:
    """Build what comes from the pretrained embeddings; nothing where the run has none."""
    model = models.get("pretrained")
    if model is None:
        return {"galleries": [], "bars": [], "bar_modalities": (), "confusions": [], "map": None}
    searched = [modality for modality in MODALITIES if model.neighbours.get(modality)]
    single = tuple(modality for modality in searched if modality != "joint")
    matrices = [build_confusion(model, modality) for modality in searched]
    return {
        "galleries": build_galleries({modality: model.neighbours[modality][0] for modality in single}, shards),
        "bars": class_bars(models, single) if single else [],
        "bar_modalities": single,
        "confusions": [matrix for matrix in matrices if matrix is not None],
        "map": build_map(models),
    }
