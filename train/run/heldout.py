"""Accuracy of the temporal heads on held-out segments, which the training never sees.

The evaluation cuts clips by the training's kind of plans, without augmentation, and the same clips every time: only the
model changes. It has a loader and a generator of its own, so the training is the same with and without it.
"""

import logging
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch

from preprocess.temporary_folder import temporary_folder
from train.config.schema import Config
from train.data.loader import SegmentLoader
from train.data.loader_config import LoaderConfig
from train.data.subset import parse_split, read_info, select
from train.errors import ConfigError
from train.model.heads import Model
from train.plans.clip_planners import TwoViews
from train.plans.temporal_labels import temporal_labels
from train.views.training_clips import plain_clips

logger = logging.getLogger("train")

_SEED = 20_231_124
"""Seed of windows, order and plans; not the run's, so that runs of different seeds are evaluated on the same clips."""


@dataclass(frozen=True)
class Score:
    """One head on held-out labels.

    Attributes:
        accuracy: share of correct predictions, nan without labels.
        chance: accuracy of guessing among the classes.
        commonest: accuracy of the majority-class baseline; above chance where short segments exclude high speeds.
        n_labels: number of labels.
    """

    accuracy: float
    chance: float
    commonest: float
    n_labels: int


class Heldout:
    """The held-out part of a run's shards, on which the heads are evaluated.

    Args:
        config: of the run; `heldout.split` is not empty.
        device: of the model.

    Raises:
        ConfigError: the training may see the held-out segments, or there are none.
        LoaderError: the shards cannot be read.
    """

    def __init__(self, config: Config, device: torch.device) -> None:
        data, split = config.data, config.heldout.split
        info = read_info(Path(data.shards))
        name, parts = parse_split(split)
        # Parts of one split are apart; parts of two splits may overlap.
        if not data.split or parse_split(data.split)[0] != name or parse_split(data.split)[1] & parts:
            raise ConfigError(
                f"heldout.split {split!r} is not held out from data.split {data.split!r}: name two parts of one split, or "
                "set heldout.split to '' to do without"
            )
        with tempfile.TemporaryDirectory(prefix="avtempo-heldout-", dir=temporary_folder()) as folder:
            n_segments = select(Path(data.shards), info, split, (), Path(folder)).n_segments
        if not n_segments:
            raise ConfigError(
                f"{data.shards} holds no segment of heldout.split {split}: name another part, or '' to do without"
            )
        self.config, self.device = config, device
        self.columns_per_frame = info.params.columns_per_frame
        self.loader = SegmentLoader(
            LoaderConfig(
                shards=data.shards, batch_size=min(data.batch_size, n_segments), frame_px=data.frame_px,
                window_frames=data.window_frames, shuffle=True, seed=_SEED, num_threads=data.num_threads, split=split,
                clips=TwoViews(config.clip),
            ),
            device=device,
        )  # fmt: skip
        self._beginning = self.loader.state_dict()

    def due(self, step: int) -> bool:
        """Tell whether an evaluation is due after this many steps; always after the last."""
        every = self.config.heldout.every
        return step == self.config.steps or (every > 0 and step % every == 0)

    def scores(self, model: Model) -> dict[str, Score]:
        """Evaluate every head of the model, which keeps its mode."""
        was_training = model.training
        model.eval()
        try:
            return self._scores(model)
        finally:
            model.train(was_training)
            self.loader.load_state_dict(self._beginning)  # and frees what was read ahead

    @torch.no_grad()
    def _scores(self, model: Model) -> dict[str, Score]:
        config, device = self.config, self.device
        right: dict[str, int] = {}
        labels: dict[str, torch.Tensor] = {}  # labels of each class, (K,)
        for _ in range(config.heldout.n_batches):
            batch = next(self.loader).to(device)
            clips = plain_clips(batch, config.clip, self.columns_per_frame)
            with torch.autocast(device.type, torch.bfloat16, enabled=config.optim.precision == "bf16"):
                outputs = model(clips)
            truth = temporal_labels(batch.plan, batch.has_audio)
            for name, logits in outputs.logits.items():
                known = truth[name] >= 0
                label = truth[name][known]
                right[name] = right.get(name, 0) + int((logits[known].argmax(1) == label).sum())
                labels[name] = labels.get(name, 0) + torch.bincount(label, minlength=logits.shape[1])
        return {name: _score(right[name], labels[name]) for name in labels}


def heldout_table(scores: dict[str, Score]) -> str:
    """Tabulate each head's accuracy beside chance and the majority-class baseline."""
    lines = [f"{'held out, per cent':20} {'accuracy':>9} {'chance':>7} {'commonest':>10} {'labels':>7}"]
    lines += [
        f"{name:20} {100 * s.accuracy:9.1f} {100 * s.chance:7.1f} {100 * s.commonest:10.1f} {s.n_labels:7d}"
        for name, s in scores.items()
    ]
    return "\n".join(lines)


def _score(right: int, labels: torch.Tensor) -> Score:
    n_labels = int(labels.sum())
    return Score(
        accuracy=right / n_labels if n_labels else math.nan,
        chance=1 / len(labels),
        commonest=int(labels.max()) / n_labels if n_labels else math.nan,
        n_labels=n_labels,
    )
