"""The numbers of each run: retrieval, probe and pairs from its embeddings, and held-out temporal tasks from its log.

All are measured on the split that training held out. RUN/ablation.json keeps them, with a header that names weights,
shards, clips and the code of the tests; while these stay the same, nothing is computed again.
"""

from collections.abc import Callable, Mapping, Sequence

from evaluate.ablation.plan import Plan, PlannedRun
from evaluate.embedding.clip_encoders import ModelName, load_run
from evaluate.embedding.embed import embed
from evaluate.embedding.embed_task import EmbedOptions
from evaluate.errors import AblationError
from evaluate.protocols.recognition import judge
from evaluate.protocols.stores import load_models, store_paths
from evaluate.protocols.temporal_heads import temporal_results
from evaluate.protocols.twin_pairs import judge_pairs, sample_pairs
from evaluate.protocols.video_features import MODALITY_ORDER, narrow, take_split
from evaluate.results.origin import code
from evaluate.results.results import Result, merge_results, read_header, read_results, write_results
from store.errors import AvtempoError
from train.run.checkpoint import LAST_NAME

RUN_RESULTS_NAME = "ablation.json"
_TESTS = ("evaluate/ablation", "evaluate/protocols", "store")
"""Folders whose code makes the numbers out of embeddings."""


def measure_runs(
    plan: Plan, runs: Sequence[PlannedRun], device: str, progress: Callable[[float, int, str], None]
) -> tuple[dict[tuple[str, int], tuple[Result, ...]], dict[str, str]]:
    """Measure trained runs; return their records by objective and seed, and why the runs of these names have none.

    `progress` is told runs done, runs in all, and the run at work.
    """
    measured, failures, now = dict[tuple[str, int], tuple[Result, ...]](), dict[str, str](), code()
    tests = {name: now[name] for name in _TESTS}
    for number, run in enumerate(runs):

        def embedded(done: int, total: int, number: int = number, name: str = run.name) -> None:
            progress(number + done / total, len(runs), name)

        embedded(0, 1)
        # Untrained weights and raw input are the same for all objectives: the first run of a seed, or of all, measures them.
        is_new_seed = run.seed not in [each.seed for each in runs[:number]]
        baselines: dict[ModelName, bool] = {"untrained": is_new_seed, "raw": number == 0}
        models: list[ModelName] = ["pretrained", *(name for name, is_due in baselines.items() if is_due)]
        try:
            measured[run.objective, run.seed] = _measure(plan, run, models, tests, device, embedded)
        except AvtempoError as error:
            failures[run.name] = str(error)
    return measured, failures


def _measure(
    plan: Plan, run: PlannedRun, models: Sequence[ModelName], tests: Mapping[str, str], device: str,
    progress: Callable[[int, int], None],
) -> tuple[Result, ...]:  # fmt: skip
    """Return the records of a trained run, by model "pretrained", "untrained", "raw" and "chance"."""
    loaded, options = load_run(run.folder / "checkpoints" / LAST_NAME, models, device), EmbedOptions(device=device)
    trained = next(encoder for encoder in loaded.encoders if encoder.name == "pretrained")
    shards, test = plan.options.shards, plan.shards.dataset
    header = {
        "code": tests, "split": plan.held_out_split, "models": list(models), "dataset": test,
        "encoder_sha256": trained.sha256, "shards_fingerprint": plan.shards.fingerprint,
        "clips": options.n_clips, "speeds": list(options.speeds_of(loaded)),
    }  # fmt: skip
    path = run.folder / RUN_RESULTS_NAME
    if read_header(path) == header:
        return read_results(path)
    stores = store_paths(run.folder, test, models)
    embed(loaded, shards, stores, test, options, progress=progress)
    results: tuple[Result, ...] = ()
    for model, videos in load_models(stores).items():
        split = take_split(videos, plan.held_out_split)
        for modality in MODALITY_ORDER:
            narrowed = narrow(videos, split, modality)
            if narrowed is None:
                continue
            found = [*judge_pairs(videos, narrowed, modality, sample_pairs(), model=model, test=test)]
            for outcomes in judge(videos, narrowed, modality, model=model, test=test):
                found += [outcomes.result(), outcomes.chance_result()]
            results = merge_results(results, found)
    if not results:
        raise AblationError(f"{shards}: no modality has videos on both sides of split {plan.held_out_split}")
    results += (*temporal_results(run.folder, test, int(plan.held_out_split), len(loaded.config.clip.speeds)),)
    write_results(path, results, header)
    return results
