"""ESC-50 with labels from the start: the same audio network, trained on four folds and tested on the fifth.

This is the baseline that pretraining must beat. Clips, augmentation, optimiser and batch come from the settings of a
pretraining run, but clips play at speed 1, forwards. Each fold is a training of its own (the loop is train/run/loop.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evaluate.protocols.bootstrap import TOP_1, interval
from evaluate.protocols.esc50.folds import ESC10
from evaluate.results.results import Result
from train.config.load import check
from train.config.schema import TEMPORAL_TERMS, Config
from train.data.batch import SegmentBatch
from train.data.loader import SegmentLoader, iterate_once
from train.data.subset import read_info
from train.model.encoders import build_encoders
from train.objective.losses import Objective
from train.plans.clip_planners import EvenClips
from train.ranks.distributed import World, with_joint_norms
from train.ranks.rank_errors import fail_on_all_ranks, naming_lost_peers
from train.run.checkpoint import TrainingState, read_checkpoint
from train.run.loop import TrainingLoop
from train.run.optim import adamw, parameter_groups
from train.run.pretraining import loader_config
from train.views.training_clips import make_clips
from train.views.views import eval_clips

SUPERVISED, SUPERVISED_10 = "supervised", "supervised-esc10"
SCRATCH = "scratch"


class Supervised(nn.Module):
    """The audio network of a run's settings with random weights, and one linear layer."""

    def __init__(self, config: Config, n_classes: int) -> None:
        super().__init__()
        encoders = build_encoders(config.model)
        self.net = encoders.audio_net
        self.classes = nn.Linear(encoders.audio_dim, n_classes)

    def forward(self, logmel: Tensor) -> Tensor:
        """(B, 1, n_mels, C) to logits (B, n_classes)."""
        logits: Tensor = self.classes(self.net(logmel))
        return logits


def settings(checkpoint: Path, shards: Path, fold: int, folds: Sequence[int], steps: int) -> Config:
    """Return the settings for `steps` steps of training with labels on all folds of these shards but one.

    They are those of a pretraining run, at speed 1, forwards, with each view anywhere in the recording.
    """
    config = check(Config, read_checkpoint(checkpoint).config, str(checkpoint))
    clip = replace(config.clip, views="anywhere", moments=1, speeds=(1,), reverse_probability=0.0, eval_speed=1)
    # These weights are not used, but must be valid: such clips have nothing temporal to predict, and one term must count.
    none = dict.fromkeys(TEMPORAL_TERMS, 0.0)
    loss = replace(config.loss, **none, audio_audio=config.loss.audio_audio or 1.0)
    others = ",".join(str(other) for other in folds if other != fold)
    data = replace(config.data, shards=str(shards), split=f"fold:{others}")
    return replace(config, name=SCRATCH, steps=steps, clip=clip, loss=loss, data=data)


@dataclass(frozen=True)
class ScratchCheckpoint(TrainingState):
    """The whole state of a training from scratch."""

    FORMAT: ClassVar[tuple[str, int]] = ("avtempo-scratch", 1)


class ScratchTrainer(TrainingLoop[Config, ScratchCheckpoint, Supervised]):
    """The training of one fold.

    Args:
        config: of `settings`.
        run_dir: of this training.
        world: this process among its peers.

    Raises:
        LoaderError: the shards cannot be read, or hold too few recordings for a batch.
    """

    KIND = ScratchCheckpoint
    CLIPS_A_SEGMENT: ClassVar[int] = 2
    REMEDY: ClassVar[str] = "remove that folder to train anew"

    def __init__(self, config: Config, run_dir: Path, world: World) -> None:
        with naming_lost_peers(), fail_on_all_ranks():
            super().__init__(config, run_dir, world, read_info(Path(config.data.shards)))
            loader = SegmentLoader(loader_config(config, world), world.device)
        torch.manual_seed(config.seed)
        model = Supervised(config, len(self.dataset.label_names)).to(world.device)
        model = with_joint_norms(model, world)
        self._train_model(model, adamw(parameter_groups(model, config.optim), config.optim), loader)

    def _objective(self, batch: SegmentBatch, generator: torch.Generator) -> Objective:
        config, device = self.config, self.world.device
        batch = batch.to(device)
        clips, labels = make_clips(batch, config, self.dataset.params, generator), batch.label.repeat(2)
        with torch.autocast(device.type, torch.bfloat16, enabled=config.optim.precision == "bf16"):
            logits = self.forward(clips.audio)
        loss = F.cross_entropy(logits.float(), labels)
        right = (logits.detach().argmax(1) == labels).float().mean()
        return Objective(loss, {"cross_entropy": loss}, {"accuracy": right})

    def _summary(self) -> dict[str, Any]:
        return {"split": self.config.data.split}


@torch.inference_mode()
def accuracy_on_fold(
    model: Supervised, config: Config, fold: int, n_clips: int, world: World, test: str
) -> tuple[Result, ...]:
    """Compute top-1 on a fold, averaging a recording's clips; for ESC-10, recordings and classes are those of the ten.

    Args:
        model: trained without the fold; put in eval mode.
        config: of its training.
        fold: of the test.
        n_clips: clips a recording, evenly spaced.
        world: this process, which tests alone.
        test: name of the data set in the results.
    """
    info = read_info(Path(config.data.shards))
    model.eval()
    scores, labels = [], []
    segments = loader_config(config, World(0, 1, world.device))
    segments = replace(segments, split=f"fold:{fold}", clips=EvenClips(config.clip, n_clips, (1,)))
    for batch in iterate_once(segments, world.device):
        clips = eval_clips(batch, config.clip, info.params.columns_per_frame)
        chances = model(clips.audio).softmax(1)
        scores.append(chances.unflatten(0, (len(batch), n_clips)).mean(1).cpu().numpy())
        labels.append(batch.label.cpu().numpy())
    score, label = np.concatenate(scores), np.concatenate(labels)
    ten = np.array([number for number, name in enumerate(info.label_names) if name in ESC10], np.int64)
    of_ten = np.isin(label, ten)
    hits = {SUPERVISED: score.argmax(1) == label}
    if of_ten.any():
        hits[SUPERVISED_10] = ten[score[of_ten][:, ten].argmax(1)] == label[of_ten]
    return tuple(
        Result(test, task, fold, "audio", SCRATCH, TOP_1, float(own.mean()), len(own), *interval([own]))
        for task, own in hits.items()
    )
