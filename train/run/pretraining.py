"""Pretraining: from a batch of segments to views, the forward pass and the objective; the loop is train/run/loop.py."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import torch

from preprocess.schema import Media
from train.config.schema import Config
from train.data.batch import SegmentBatch
from train.data.loader import SegmentLoader
from train.data.loader_config import LoaderConfig
from train.data.subset import read_info
from train.errors import ConfigError
from train.model.heads import Model
from train.objective.bank import Bank
from train.objective.losses import Objective
from train.objective.objective import Segments, compute_objective
from train.plans.clip_planners import TwoViews
from train.ranks.distributed import World, gather, join_world, leave_world, with_joint_norms
from train.ranks.rank_errors import fail_on_all_ranks, naming_lost_peers
from train.run.checkpoint import Checkpoint, encoders_sha256
from train.run.heldout import Heldout, Score, heldout_table
from train.run.loop import TrainingLoop
from train.run.optim import adamw, parameter_groups
from train.views.training_clips import make_clips

logger = logging.getLogger("train")


class Trainer(TrainingLoop[Config, Checkpoint, Model]):
    """A pretraining run."""

    KIND = Checkpoint
    CLIPS_A_SEGMENT: ClassVar[int] = 2

    def __init__(self, config: Config, run_dir: Path, world: World) -> None:
        super().__init__(config, run_dir, world, read_info(Path(config.data.shards)))
        refuse_blind(config, self.dataset.params.media)
        torch.manual_seed(config.seed)
        model = Model(config).to(world.device)
        self.bank = Bank(config.bank, config.model.projection_dim, model.spaces).to(world.device)
        if config.optim.channels_last:
            model.encoders.channels_last()
        model = with_joint_norms(model, world)
        with naming_lost_peers(), fail_on_all_ranks():
            loader = SegmentLoader(loader_config(config, world), device=world.device)
            self.heldout = Heldout(config, world.device) if config.heldout.split and len(model.heads) else None
        self.scores: dict[str, Score] = {}
        self._train_model(model, adamw(parameter_groups(model, config.optim), config.optim), loader)

    def _objective(self, batch: SegmentBatch, generator: torch.Generator) -> Objective:
        config, device = self.config, self.world.device
        batch = batch.to(device).by_moment(config.clip.moments)
        with reserve_cores_for_loader(config.data.num_threads, device):
            clips = make_clips(batch, config, self.dataset.params, generator)
        with torch.autocast(device.type, torch.bfloat16, enabled=config.optim.precision == "bf16"):
            outputs = self.forward(clips)
        segments = Segments(batch.segment_id, batch.label, batch.has_audio)
        objective = compute_objective(
            outputs, batch.plan, segments, self.bank, config,
            use_bank=self.step >= config.bank.warmup_steps, generator=generator,
        )  # fmt: skip
        first_views = {space: gather(x.detach().chunk(2)[0]) for space, x in outputs.embeddings.items()}
        self.bank.push(first_views, *(gather(x) for x in (segments.source, segments.label, segments.has_audio)))
        return objective

    def _loss(self, terms: dict[str, float]) -> float:
        return sum(getattr(self.config.loss, name) * value for name, value in terms.items())

    def _heldout_due(self) -> bool:
        return self.heldout is not None and self.heldout.due(self.step)

    def _evaluate_heldout(self) -> dict[str, float]:
        """Measure held-out accuracies, on the main process alone: the others wait for it at the next step."""
        if self.heldout is None or not self.world.is_main:
            return {}
        self.scores = self.heldout.scores(self.model)
        return {f"heldout/{name}": score.accuracy for name, score in self.scores.items()}

    def _summary(self) -> dict[str, Any]:
        return {
            "encoder_sha256": encoders_sha256(self.model.encoders),
            "heldout": {name: round(score.accuracy, 6) for name, score in self.scores.items() if score.n_labels},
        }

    def _write_summary(self) -> None:
        super()._write_summary()
        if self.scores:
            logger.info(heldout_table(self.scores))

    def _own_state(self) -> dict[str, Any]:
        return {"bank": self.bank.state_dict()}

    def _load_own_state(self, saved: Checkpoint) -> None:
        self.bank.load_state_dict(saved.bank)


def refuse_blind(config: Config, media: Media) -> None:
    """Refuse terms that read video if the shards hold audio only.

    Raises:
        ConfigError: a term that reads video has a weight above 0; every such setting is named.
    """
    asked = [f"loss.{name}" for name in config.loss.terms_of("video")]
    if media == "audio" and asked:
        raise ConfigError(
            f"{config.data.shards} holds audio only, but these terms read video: {', '.join(asked)}. Set them to 0, "
            "or take a preset for audio, such as esc50"
        )


def loader_config(config: Config, world: World) -> LoaderConfig:
    """Say what this rank's loader gives in training."""
    data = config.data
    return LoaderConfig(
        shards=data.shards, batch_size=data.batch_size, frame_px=data.frame_px, window_frames=data.window_frames,
        shuffle=True, seed=config.seed, num_threads=data.num_threads, split=data.split, rank=world.rank,
        world_size=world.size, clips=TwoViews(config.clip),
    )  # fmt: skip


@contextmanager
def reserve_cores_for_loader(n_cores: int, device: torch.device) -> Iterator[None]:
    """While held, torch computes with so many threads fewer on a CPU, at least one; on a GPU nothing changes.

    As soon as a batch is drawn, the loader decodes the next one while the trainer augments this one in many short
    operations. A parallel operation ends with its slowest thread, the one that shares a core with the decoder: fewer
    torch threads are faster.
    """
    before = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(max(1, before - n_cores))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def pretrain(config: Config, run: Path | str, *, device: str = "auto") -> bool:
    """Train a run to its end, or resume one that was stopped. Under torchrun every rank calls it.

    Args:
        config: settings of the run, as from `train.load_config`.
        run: its directory.
        device: "auto", "cpu" or "cuda".

    Returns:
        Whether the run is complete; False if a signal stopped it after a checkpoint.

    Raises:
        TrainError: the run cannot start, continue or be saved; the message names the remedy.
    """
    world = join_world(device)
    try:
        return Trainer(config, Path(run), world).train()
    finally:
        leave_world()
