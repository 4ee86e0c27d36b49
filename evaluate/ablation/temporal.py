"""Held-out accuracies of the temporal heads, from a run's log."""

import math
from pathlib import Path

from evaluate.report.curves import chance_of, load_log
from evaluate.results.results import Result
from train.run.run_log import LOG_NAME

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


def temporal_results(run: Path, test: str, split: int, n_speeds: int) -> list[Result]:
    """Read the accuracies that the log names last, and those of guessing; none where it has none.

    `n` is 0: the log does not count the labels.

    Args:
        run: folder of the run.
        test: dataset, as in the other records.
        split: the split that training held out.
        n_speeds: speeds that the run tells apart.
    """
    asked = [entry.metrics for entry in load_log(run / LOG_NAME) if any(m.startswith(PREFIX) for m in entry.metrics)]
    if not asked:
        return []
    results = []
    for head, (task, modality) in TASKS.items():
        value = asked[-1].get(f"{PREFIX}{head}", math.nan)
        chance = chance_of(head, n_speeds)
        if math.isfinite(value) and chance is not None:
            results.append(Result(test, task, split, modality, "pretrained", ACCURACY, value, 0))
            results.append(Result(test, task, split, modality, "chance", ACCURACY, chance, 0))
    return results
