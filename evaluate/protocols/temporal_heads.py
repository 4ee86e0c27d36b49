"""Held-out accuracies of the temporal heads: the last ones that training logged."""

import math
from pathlib import Path

from evaluate.results.results import Result
from train.run.run_log import read_log

ACCURACY = "accuracy"
PREFIX = "heldout/"
TASKS: dict[str, tuple[str, str]] = {
    "speed_video": ("temporal-speed", "video"),
    "speed_audio": ("temporal-speed", "audio"),
    "direction_video": ("temporal-direction", "video"),
    "direction_audio": ("temporal-direction", "audio"),
    "order_video": ("temporal-order", "video"),
    "order_audio": ("temporal-order", "audio"),
    "order_video_audio": ("temporal-order-video-audio", "joint"),
}
"""Head -> (task, modality) in results."""


def heldout_accuracies(run: Path, n_speeds: int) -> dict[str, tuple[float, float]]:
    """Return head -> its accuracy and that of guessing; empty if the log has none.

    Args:
        run: folder of the run.
        n_speeds: speeds that the run's heads distinguish.
    """
    chance = {"speed": 1 / n_speeds, "direction": 1 / 2, "order": 1 / 3}
    logged = [record.get("metrics") for record in read_log(run)]
    heldout = [
        metrics for metrics in logged if isinstance(metrics, dict) and any(n.startswith(PREFIX) for n in metrics)
    ]
    last = heldout[-1] if heldout else {}
    found = {}
    for head in TASKS:
        value = last.get(PREFIX + head)
        if isinstance(value, int | float) and math.isfinite(value):
            found[head] = (float(value), chance[head.partition("_")[0]])
    return found


def temporal_results(run: Path, test: str, split: int, n_speeds: int) -> list[Result]:
    """Return `heldout_accuracies` as records. `n` is 0: the log does not count the labels.

    Args:
        run: folder of the run.
        test: name of the data set in the results.
        split: the split that training held out.
        n_speeds: speeds that the run's heads distinguish.
    """
    results = []
    for head, values in heldout_accuracies(run, n_speeds).items():
        task, modality = TASKS[head]
        for model, value in zip(("pretrained", "chance"), values, strict=True):
            results.append(Result(test, task, split, modality, model, ACCURACY, value, 0))
    return results
