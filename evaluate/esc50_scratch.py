"""ESC-50 with labels from the start: the same audio network, trained on four folds and tested on the fifth.

What pretraining must beat. Clips, augmentation, optimiser and batch are those of a pretraining run's settings; of its
views the labels take speed 1, forwards. Each fold is a training of its own, saved as it goes: a stopped one goes on.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evaluate.errors import EvaluateError
from evaluate.esc50 import ESC10
from evaluate.results import Result
from preprocess.manifest import read_dataset
from train.checkpoint import read_checkpoint
from train.clips import make_clips
from train.config import Config
from train.encoders import build_encoders
from train.files import replacing
from train.loader import LoaderConfig, SegmentLoader, iterate_once
from train.optim import build_optimizer, learning_rate
from train.planners import EvenClips, Planner, TwoViews
from train.settings import config_from_dict
from train.views import eval_clips

logger = logging.getLogger("evaluate")

SUPERVISED, SUPERVISED_10 = "supervised", "supervised-esc10"
SCRATCH = "scratch"


@dataclass(frozen=True)
class ScratchOptions:
    """How long and how.

    Attributes:
        steps: of each fold's training.
        n_clips: clips a recording whose class scores are averaged at test.
        save_every: steps between two savings.
        device: to train on.
    """

    steps: int = 1500
    n_clips: int = 4
    save_every: int = 100
    device: str = "cpu"


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


def settings(checkpoint: Path, shards: Path) -> Config:
    """Settings of a pretraining run, for training with labels on these shards: speed 1, forwards, views anywhere."""
    config = config_from_dict(read_checkpoint(checkpoint).config, str(checkpoint))
    clip = replace(config.clip, speeds=(1,), reverse_probability=0.0, eval_speed=1)
    return replace(config, clip=clip, data=replace(config.data, shards=str(shards)))


def train_fold(
    config: Config, fold: int, folds: tuple[int, ...], path: Path, options: ScratchOptions,
    progress: Callable[[int], None] = lambda _: None,
) -> Supervised:  # fmt: skip
    """Train on all folds but one, from where `path` was saved, and save the end there.

    Raises:
        EvaluateError: `path` holds a training with other settings or of other shards.
    """
    info = read_dataset(Path(config.data.shards))
    identity = {
        "config": {**config.as_dict(), "data": {**config.as_dict()["data"], "shards": ""}}, "fold": fold,
        "steps": options.steps, "shards_fingerprint": info.fingerprint,
    }  # fmt: skip
    torch.manual_seed(config.seed)
    model = Supervised(config, len(info.label_names)).to(options.device)
    optimizer = build_optimizer(model, config.optim)
    others = ",".join(str(other) for other in folds if other != fold)
    loader = SegmentLoader(_segments(config, f"fold:{others}", TwoViews(config.clip)), options.device)
    step = _resume(path, identity, model, optimizer, loader)
    while step < options.steps:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config.optim, step, options.steps)
        generator = torch.Generator(options.device).manual_seed(config.seed * 1_000_003 + step)
        batch = next(loader)
        clips = make_clips(batch, config, info.params, generator)
        model.train()
        loss = F.cross_entropy(model(clips.audio), batch.label.repeat(2))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), config.optim.clip_grad_norm)
        optimizer.step()
        step += 1
        progress(step)
        if step % options.save_every == 0 or step == options.steps:
            state = {
                "identity": identity, "step": step, "model": model.state_dict(), "optimizer": optimizer.state_dict(),
                "loader": loader.state_dict(),
            }  # fmt: skip
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as file:
                torch.save(state, file)
    return model


def _segments(config: Config, split: str, clips: Planner) -> LoaderConfig:
    data = config.data
    return LoaderConfig(
        shards=data.shards, batch_size=data.batch_size, frame_px=data.frame_px, window_frames=data.window_frames,
        shuffle=True, seed=config.seed, num_threads=data.num_threads, split=split, clips=clips,
    )  # fmt: skip


def _resume(
    path: Path, identity: dict[str, Any], model: nn.Module, optimizer: torch.optim.Optimizer, loader: SegmentLoader
) -> int:
    if not path.exists():
        return 0
    saved = torch.load(path, weights_only=True)
    if saved["identity"] != identity:
        raise EvaluateError(f"{path}: holds a training with other settings or of other shards; move it away")
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    loader.load_state_dict(saved["loader"])
    step: int = saved["step"]
    return step


@torch.inference_mode()
def accuracy_on_fold(model: Supervised, config: Config, fold: int, options: ScratchOptions) -> tuple[Result, ...]:
    """Top-1 on a fold, its recordings' clips averaged; for ESC-10's recordings the best of the ten classes counts."""
    info = read_dataset(Path(config.data.shards))
    model.eval()
    scores, labels = [], []
    even = EvenClips(config.clip, options.n_clips, (1,))
    for batch in iterate_once(_segments(config, f"fold:{fold}", even), options.device):
        clips = eval_clips(batch, config.clip, info.params.columns_per_frame)
        chances = model(clips.audio).softmax(1)
        scores.append(chances.unflatten(0, (len(batch), options.n_clips)).mean(1).cpu().numpy())
        labels.append(batch.label.cpu().numpy())
    score, label = np.concatenate(scores), np.concatenate(labels)
    ten = np.array([number for number, name in enumerate(info.label_names) if name in ESC10], np.int64)
    of_ten = np.isin(label, ten)
    results = [_result(info.dataset, SUPERVISED, fold, score.argmax(1) == label)]
    if of_ten.any():
        chosen = ten[score[of_ten][:, ten].argmax(1)]
        results.append(_result(info.dataset, SUPERVISED_10, fold, chosen == label[of_ten]))
    return tuple(results)


def _result(test: str, task: str, fold: int, right: np.ndarray) -> Result:
    return Result(test, task, fold, "audio", SCRATCH, "top-1", float(right.mean()), len(right))
