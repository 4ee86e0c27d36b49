"""The numbers of one run: embeddings made once, then retrieval, probe, pairs and held-out temporal tasks from them.

All on the split that training held out. They lie in RUN/ablation.json, whose header says of which weights, shards and
clips they are; while that holds, nothing is computed again.
"""

from collections.abc import Callable, Sequence
from typing import Any

from evaluate.ablation.plan import Plan, PlannedRun
from evaluate.embedding.clip_encoders import ModelName, load_run
from evaluate.embedding.embed import embed
from evaluate.embedding.embed_task import EmbedOptions
from evaluate.errors import AblationError
from evaluate.protocols.recognition import judge
from evaluate.protocols.stores import load_models, store_paths
from evaluate.protocols.temporal_heads import temporal_results
from evaluate.protocols.twin_pairs import judge_pairs, sample_pairs
from evaluate.protocols.video_features import MODALITY_ORDER, Videos, narrow, take_split
from evaluate.results.results import Result, read_header, read_results, write_results
from train.run.checkpoint import LAST_NAME

RUN_RESULTS_NAME = "ablation.json"
PROTOCOL = 2
"""Counts up when the same embeddings would give other numbers, or more of them."""


def models_of(runs: Sequence[PlannedRun]) -> dict[str, tuple[ModelName, ...]]:
    """Name what is measured with each run, by its name: untrained weights once a seed, raw input once.

    Both are the same for all objectives, so the first run there is will do.
    """
    models: dict[str, tuple[ModelName, ...]] = {}
    seeds: set[int] = set()
    for run in runs:
        baselines: tuple[ModelName, ...] = ("untrained",) if run.seed not in seeds else ()
        models[run.name] = ("pretrained", *baselines, *(("raw",) if not models else ()))
        seeds.add(run.seed)
    return models


def measure(
    plan: Plan,
    run: PlannedRun,
    models: Sequence[ModelName],
    options: EmbedOptions,
    *,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> tuple[Result, ...]:
    """Return the records of a trained run, by model "pretrained", "untrained", "raw" and "chance".

    Args:
        plan: the ablation.
        run: a run of it.
        models: "pretrained", and baselines to measure with it.
        options: clips and device.
        progress: told of embedding.

    Raises:
        AblationError: the run cannot be judged on any modality.
        EvaluateError, StoreError, TrainError: as embedding and evaluating do.
    """
    loaded = load_run(run.folder / "checkpoints" / LAST_NAME, models, options.device)
    trained = next(encoder for encoder in loaded.encoders if encoder.name == "pretrained")
    header = {
        "protocol": PROTOCOL, "split": plan.held_out_split, "models": list(models), "dataset": plan.dataset,
        "encoder_sha256": trained.sha256, "shards_fingerprint": plan.fingerprint,
        "clips": options.n_clips, "speeds": list(options.speeds) or [loaded.config.clip.eval_speed],
    }  # fmt: skip
    path = run.folder / RUN_RESULTS_NAME
    if read_header(path) == header:
        return read_results(path)
    stores = store_paths(run.folder, plan.dataset, models)
    embed(loaded, plan.shards, stores, plan.dataset, options, progress=progress)
    results: dict[Any, Result] = {}
    for model, videos in load_models(stores).items():
        results.update({result.identity: result for result in _judge(videos, plan, model)})
    if not results:
        raise AblationError(f"{plan.shards}: no modality has videos on both sides of split {plan.held_out_split}")
    n_speeds = len(loaded.config.clip.speeds)
    temporal = temporal_results(run.folder, plan.dataset, int(plan.held_out_split), n_speeds)
    write_results(path, [*results.values(), *temporal], header)
    return read_results(path)


def _judge(videos: Videos, plan: Plan, model: str) -> Sequence[Result]:
    split, results = take_split(videos, plan.held_out_split), []
    for modality in MODALITY_ORDER:
        narrowed = narrow(videos, split, modality)
        if narrowed is not None:
            for outcomes in judge(videos, narrowed, modality, model=model, test=plan.dataset):
                results += [outcomes.result(), outcomes.chance_result()]
            results += judge_pairs(videos, narrowed, modality, sample_pairs(), model=model, test=plan.dataset)
    return results
