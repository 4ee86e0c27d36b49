"""Fine-tuning: one labelled clip per segment, the forward pass and cross-entropy; the loop is train/run/loop.py."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from train.data.batch import SegmentBatch
from train.data.loader import SegmentLoader
from train.data.loader_config import LoaderConfig
from train.data.subset import read_info
from train.errors import LabelError
from train.finetune.config import FinetuneClip, FinetuneConfig
from train.finetune.labels import refuse_unlabelled
from train.finetune.model import Classifier, FinetuneCheckpoint
from train.objective.losses import Objective
from train.plans.plan import Plan
from train.ranks.distributed import World, with_joint_norms
from train.ranks.rank_errors import fail_on_all_ranks, naming_lost_peers
from train.run.loop import TrainingLoop
from train.run.optim import LR_FRACTION, adamw, parameter_groups
from train.seeds import stream_seed
from train.views.augment_video import augment_video
from train.views.views import gather_frames


@dataclass(frozen=True)
class OneClip:
    """Plans one clip per segment, at a random place, forwards; at a lower speed where the segment is too short."""

    clip: FinetuneClip
    n_clips: int = 1

    @property
    def n_frames(self) -> int:
        """Frames per clip."""
        return self.clip.n_frames

    def __call__(self, n_frames: Tensor, generator: torch.Generator) -> Plan:
        """Draw the places, for segments of `n_frames` (B,) frames."""
        last = self.clip.n_frames - 1
        stride = ((n_frames - 1) // last).clamp(1, self.clip.speed)
        room = (n_frames - 1 - last * stride).clamp(min=0)
        start = (torch.rand(len(n_frames), generator=generator, device=n_frames.device) * (room + 1)).long()
        return Plan.untimed(start[:, None], stride[:, None])


class Finetuner(TrainingLoop[FinetuneConfig, FinetuneCheckpoint, Classifier]):
    """The fine-tuning of one split, from one start.

    Args:
        config: settings.
        run_dir: directory of this fine-tuning.
        world: this process among its peers.
        encoder: weights of the pretrained video encoder; None from scratch. The classifier starts from the same random
            weights in both cases.

    Raises:
        LabelError: the shards lack labels, video or the split.
        LoaderError: the shards cannot be read, or hold too few segments for a batch.
    """

    KIND = FinetuneCheckpoint
    CLIPS_A_SEGMENT: ClassVar[int] = 1
    REMEDY: ClassVar[str] = "remove that folder to fine-tune anew"

    def __init__(
        self, config: FinetuneConfig, run_dir: Path, world: World, encoder: dict[str, Tensor] | None = None
    ) -> None:
        data = config.data
        segments = LoaderConfig(
            shards=data.shards, batch_size=data.batch_size, frame_px=data.frame_px,
            window_frames=config.clip.span_frames, shuffle=True, seed=config.seed, num_threads=data.num_threads,
            split=data.split, rank=world.rank, world_size=world.size, clips=OneClip(config.clip),
        )  # fmt: skip
        with naming_lost_peers(), fail_on_all_ranks():
            refuse_unlabelled(Path(data.shards), data.split)
            super().__init__(config, run_dir, world, read_info(Path(data.shards)))
            loader = SegmentLoader(segments, device=world.device)
        torch.manual_seed(config.seed)
        model = Classifier(config, len(self.dataset.label_names))
        if encoder is not None:
            model.video_net.load_state_dict(encoder)
        model = with_joint_norms(model.to(world.device), world)
        fraction = config.head.encoder_lr_fraction if config.init == "pretrained" else 1.0
        slower = [group | {LR_FRACTION: fraction} for group in parameter_groups(model.video_net, config.optim)]
        groups = [*slower, *parameter_groups(model.linear, config.optim)]
        self._train_model(model, adamw(groups, config.optim), loader)

    def _objective(self, batch: SegmentBatch, generator: torch.Generator) -> Objective:
        config, device = self.config, self.world.device
        batch = batch.to(device)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(stream_seed("dropout", generator.initial_seed()))  # dropout takes no generator
            clips = training_clips(batch, config, generator)
            with torch.autocast(device.type, torch.bfloat16, enabled=config.optim.precision == "bf16"):
                logits = self.forward(clips)
        loss = F.cross_entropy(logits.float(), batch.label, label_smoothing=config.head.label_smoothing)
        accuracy = (logits.detach().argmax(1) == batch.label).float().mean()
        return Objective(loss, {"cross_entropy": loss}, {"accuracy": accuracy})

    def _summary(self) -> dict[str, Any]:
        return {"init": self.config.init, "encoder_sha256": self.config.encoder_sha256, "split": self.config.data.split}

    def _own_state(self) -> dict[str, Any]:
        return {"label_names": list(self.dataset.label_names)}


def training_clips(batch: SegmentBatch, config: FinetuneConfig, generator: torch.Generator) -> Tensor:
    """Cut and augment the planned clip of each segment: (B, 3, T, crop_px, crop_px) float32 in [-2, 2]."""
    if batch.frames is None or batch.clip_frames is None:
        raise LabelError(f"{config.data.shards} holds audio without video: name shards of a video data set")
    segment = torch.arange(len(batch), device=batch.frames.device)
    frames = gather_frames(batch.frames, batch.clip_frames[:, 0], segment)
    return augment_video(frames, config.augment, config.clip.crop_px, generator)
