"""The parts of a training step.

The trainer runs as always, with a clock around the functions that its step calls. The parts must add up to the step by
the trainer's own clock, in log.jsonl.
"""

import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import torch

from benchmarks.question import BenchmarkError, Setting, logger, records
from evaluate.results.results import Result
from train.config.load import load_config
from train.data.loader import SegmentLoader
from train.objective.bank import Bank
from train.run import pretraining
from train.run.run_log import read_log
from train.views import training_clips

TASK = "training-step"
STEPS, WARM_UP = 72, 4
"""Steps that count, and steps before them after the bank is full."""
OPTIONS = (
    "heldout.split=''", "bank.warmup_steps=0", "optim.accumulate=1", "log_every=1", "checkpoint_every=1000000",
)  # fmt: skip
TOLERANCE = 0.1
"""Largest difference between the parts' sum and the trainer's own clock, as a share of the latter."""
OVERHEAD = ("waiting for data", "gathering views", "augmentation", "objective and bank")
"""Everything but the network's passes and its update."""
FUNCTIONS: dict[str, tuple[tuple[Any, str], ...]] = {
    "waiting for data": ((SegmentLoader, "__next__"),),
    "gathering views": ((training_clips, "gather_views"),),
    "augmentation": tuple(
        (training_clips, name) for name in ("augment_video", "augment_audio", "distort_video", "distort_audio")
    ),
    "forward": ((pretraining.Model, "forward"),),
    "objective and bank": ((pretraining, "compute_objective"), (Bank, "push")),
    "backward": ((torch.Tensor, "backward"),),
    "clipping and optimiser": (
        (torch.nn.utils, "clip_grad_norm_"), (torch.optim.Optimizer, "zero_grad"), (torch.optim.AdamW, "step"),
    ),
}  # fmt: skip
"""The functions of each part, by owner and name; none calls another."""


def measure(setting: Setting, *overrides: str) -> list[Result]:
    """Train a preset on the CPU until its bank is full; then medians of each part, their sum, and the trainer's own clock.

    BenchmarkError if sum and clock differ by more than `TOLERANCE`.
    """
    config = load_config(setting.preset, [f"data.shards={setting.shards}", *OPTIONS, *overrides])
    unmeasured = config.bank.size // config.data.batch_size + 1 + WARM_UP
    config = replace(config, steps=unmeasured + setting.sized(STEPS))
    logger.info("%s: %d steps", TASK, config.steps)
    with tempfile.TemporaryDirectory(prefix="avtempo-bench-") as run, step_laps() as laps:
        pretraining.pretrain(config, run, device="cpu")
        ends = [0.0, *(record["seconds"] for record in read_log(Path(run)))]
    del laps[:unmeasured]
    values = {f"{name}, seconds": median(lap[name] for lap in laps) for name in FUNCTIONS}
    composed = median(sum(lap.values()) for lap in laps)
    loop = median(after - before for before, after in itertools.pairwise(ends[unmeasured:]))
    if abs(composed - loop) > TOLERANCE * loop:
        raise BenchmarkError(
            f"{TASK}: the parts take {composed:.3f} s, the trainer's whole step {loop:.3f} s, which differ by more than "
            f"{TOLERANCE:.0%}: does benchmarks.training_step.FUNCTIONS name all that a step calls?"
        )
    values |= {"step, seconds": composed, "trainer loop, seconds": loop}
    return records(TASK, {(setting.preset, name): value for name, value in values.items()}, len(laps))


def clock() -> float:
    """Seconds of a clock, read when the GPU, if there is one, has done all that was queued."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


@contextmanager
def step_laps() -> Iterator[list[dict[str, float]]]:
    """While held, collect the seconds of each part, one dict per step of the trainer."""
    laps: list[dict[str, float]] = []
    whole = pretraining.Trainer._train_step

    def step(self: pretraining.Trainer) -> Any:
        laps.append(dict.fromkeys(FUNCTIONS, 0.0))
        return whole(self)

    def clocked(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            since = clock()
            result = function(*args, **kwargs)
            laps[-1][part] += clock() - since
            return result

        return call

    with ExitStack() as stack:
        stack.enter_context(patch.object(pretraining.Trainer, "_train_step", step))
        for part, functions in FUNCTIONS.items():
            for owner, name in functions:
                stack.enter_context(patch.object(owner, name, clocked(part, getattr(owner, name))))
        yield laps
