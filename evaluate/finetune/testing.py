"""The test of a fine-tuned classifier: 10 clips x 3 crops a video.

Ten clips are evenly spaced over every segment of a test video. Each is cropped to three squares along the frame's
longer side, as high as its shorter side. The classifier's probabilities are averaged over all clips and crops. The
source of the protocol is in docs/reference/protocols.md.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from preprocess.schema import SEGMENTS_PER_SOURCE_LIMIT
from preprocess.shards.manifest import read_segments
from train.data.loader import iterate_once
from train.data.loader_config import SQUARES, LoaderConfig
from train.data.subset import read_info
from train.finetune.labels import refuse_unlabelled
from train.finetune.model import Finetuned
from train.plans.clip_planners import EvenClips
from train.ranks.distributed import World, gather_objects
from train.ranks.rank_errors import fail_on_all_ranks, naming_lost_peers
from train.views.views import eval_clips

N_CLIPS = 10

Progress = Callable[[int, int], None]
"""Told the segments done, and of how many."""

Rows = list[np.ndarray]
"""Of m segments and squares: source (m,), label (m,), both int64, and probabilities (m, n_classes) float64."""


@dataclass(frozen=True)
class Predictions:
    """Predictions for the n test videos of a split, by ascending source: true classes (n,) int64.

    Probabilities are means over segments, clips and squares, (n, n_classes) float64.
    """

    source_index: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray

    @property
    def predicted(self) -> np.ndarray:
        """Most probable classes, (n,) int64."""
        return self.probabilities.argmax(1)

    @property
    def accuracy(self) -> float:
        """Share of videos whose most probable class is their label."""
        return float(np.mean(self.predicted == self.labels))


def predict(finetuned: Finetuned, shards: Path, split: str, world: World, progress: Progress) -> Predictions:
    """Test a fine-tuned classifier, in eval mode on the world's device, on the test side of a split, such as "1".

    Several ranks share the work. LabelError if a test video has no label; LoaderError if the shards cannot be read.
    """
    with naming_lost_peers():
        with fail_on_all_ranks():
            refuse_unlabelled(shards, f"{split}:test")
            own = _rows(finetuned, shards, split, world, progress)
        source, label, probabilities = (np.concatenate(parts) for parts in zip(*gather_objects(own), strict=True))
    sources, first, video = np.unique(source, return_index=True, return_inverse=True)
    totals = np.zeros((len(sources), probabilities.shape[1]))
    np.add.at(totals, video, probabilities)
    return Predictions(sources, label[first], totals / totals.sum(1, keepdims=True))


@torch.no_grad()
def _rows(finetuned: Finetuned, shards: Path, split: str, world: World, progress: Progress) -> Rows:
    """Classify this rank's share of the test segments, each in every square."""
    config, clip = finetuned.config, finetuned.config.clip.for_test()
    segments = read_segments(shards)
    loader = LoaderConfig(
        shards=str(shards), split=f"{split}:test", shuffle=False, seed=0, frame_px=clip.crop_px,
        window_frames=max(int(segments["n_frames"].max()), config.clip.span_frames),
        batch_size=max(1, config.data.batch_size // N_CLIPS),  # about as many clips as in a training step
        num_threads=config.data.num_threads, rank=world.rank, world_size=world.size,
        clips=EvenClips(clip, N_CLIPS, (clip.eval_speed,)),
    )  # fmt: skip
    columns = read_info(shards).params.columns_per_frame
    n_test = sum(json.loads(text or "{}").get(split) == "test" for text in segments["splits"])
    empty = [np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, len(finetuned.label_names)))]
    found, done = [empty], 0
    for square in SQUARES:
        for batch in iterate_once(replace(loader, square=square), world.device):
            clips = eval_clips(batch, clip, columns)
            with torch.autocast(world.device.type, torch.bfloat16, enabled=config.optim.precision == "bf16"):
                logits = finetuned.classifier(clips.video)
            probabilities = logits.double().softmax(1).unflatten(0, (len(batch), N_CLIPS)).mean(1).cpu().numpy()
            source = (batch.segment_id // SEGMENTS_PER_SOURCE_LIMIT).cpu().numpy()
            found.append([source, batch.label.cpu().numpy(), probabilities])
            done += len(batch)
            progress(done * world.size, len(SQUARES) * n_test)
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]
