"""Fine-tuning: a labelled clip a segment, forward pass, cross-entropy; the loop is train/run/loop.py."""

from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from train.data.batch import SegmentBatch
from train.data.loader import LoaderConfig, SegmentLoader
from train.data.subset import read_info
from train.finetune.clips import OneClip, training_clips
from train.finetune.config import FinetuneConfig
from train.finetune.labels import refuse_unlabelled
from train.finetune.model import Classifier, FinetuneCheckpoint
from train.objective.losses import Objective
from train.ranks.distributed import World, with_joint_norms
from train.ranks.rank_errors import fail_on_all_ranks, naming_lost_peers
from train.run.loop import TrainingLoop
from train.run.optim import LR_FRACTION, adamw, parameter_groups


class Finetuner(TrainingLoop[FinetuneConfig, FinetuneCheckpoint, Classifier]):
    """The fine-tuning of one split, from one start.

    Args:
        config: settings.
        run_dir: of this fine-tuning.
        world: this process among its peers.
        encoder: weights of the pretrained video encoder; None from scratch. Either way the classifier starts from the
            same random weights.

    Raises:
        LabelError: the shards lack labels, pictures or the split.
        LoaderError: the shards cannot be read, or hold too few segments for a batch.
    """

    KIND = FinetuneCheckpoint
    CLIPS_A_SEGMENT: ClassVar[int] = 1
    REMEDY: ClassVar[str] = "remove that folder to fine-tune anew"

    def __init__(
        self, config: FinetuneConfig, run_dir: Path, world: World, encoder: dict[str, Tensor] | None = None
    ) -> None:
        shards = Path(config.data.shards)
        with naming_lost_peers(), fail_on_all_ranks():
            refuse_unlabelled(shards, config.data.split)
            super().__init__(config, run_dir, world, read_info(shards))
            loader = SegmentLoader(self._loader_config(), device=world.device)
        torch.manual_seed(config.seed)
        model = Classifier(config, len(self.dataset.label_names))
        if encoder is not None:
            model.video_net.load_state_dict(encoder)
        model = model.to(world.device)
        model = with_joint_norms(model, world)
        self._train_model(model, self._optimizer(model), loader)

    def _optimizer(self, model: Classifier) -> torch.optim.Optimizer:
        config = self.config
        fraction = config.head.encoder_lr_fraction if config.init == "pretrained" else 1.0
        encoder, head = parameter_groups(model.video_net, config.optim), parameter_groups(model.linear, config.optim)
        return adamw([*(group | {LR_FRACTION: fraction} for group in encoder), *head], config.optim)

    def _objective(self, batch: SegmentBatch, generator: torch.Generator) -> Objective:
        config, device = self.config, self.world.device
        batch = batch.to(device)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(generator.initial_seed())  # of dropout, which takes no generator
            clips = training_clips(batch, config, generator)
            with torch.autocast(device.type, torch.bfloat16, enabled=config.optim.precision == "bf16"):
                logits = self.forward(clips)
        loss = F.cross_entropy(logits.float(), batch.label, label_smoothing=config.head.label_smoothing)
        right = (logits.detach().argmax(1) == batch.label).float().mean()
        return Objective(loss, {"cross_entropy": loss}, {"accuracy": right})

    def _loss(self, terms: dict[str, float]) -> float:
        return terms["cross_entropy"]

    def _summary(self) -> dict[str, Any]:
        return {"init": self.config.init, "encoder_sha256": self.config.encoder_sha256, "split": self.config.data.split}

    def _own_state(self) -> dict[str, Any]:
        return {"label_names": list(self.dataset.label_names)}

    def _loader_config(self) -> LoaderConfig:
        data = self.config.data
        return LoaderConfig(
            shards=data.shards, batch_size=data.batch_size, frame_px=data.frame_px,
            window_frames=self.config.clip.span_frames, shuffle=True, seed=self.config.seed,
            num_threads=data.num_threads, split=data.split, rank=self.world.rank, world_size=self.world.size,
            clips=OneClip(self.config.clip),
        )  # fmt: skip
