"""The training loop: load, cut views, forward, objective, step; logged, saved, resumed exactly.

All randomness of a step is a function of (seed, rank, step), and the loader's state is in the checkpoint: a run that was
interrupted goes on as if it had not been.
"""

import json
import logging
import time
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from preprocess.manifest import read_dataset
from train.bank import Bank
from train.checkpoint import LAST_NAME, Checkpoint, encoders_sha256, read_checkpoint, save_checkpoint
from train.clips import make_clips
from train.config import Config, config_from_dict
from train.distributed import World, any_rank, average, gather, gather_objects
from train.errors import RunError
from train.guard import StopFlag, alone
from train.heads import Model
from train.loader import LoaderConfig, SegmentBatch, SegmentLoader
from train.objective import Objective, Segments, compute_objective
from train.optim import build_optimizer, learning_rate
from train.runlog import Record, RunLog
from train.views import draw_plan

logger = logging.getLogger("train")

_SETTINGS_FREE_TO_CHANGE = ("name", "steps", "log_every", "checkpoint_every")
"""What a resumed run may set anew: none of it changes what a step computes (steps stretches the schedule)."""


class Trainer:
    """One run in one directory: config.yaml, log.jsonl, tensorboard/, checkpoints/."""

    def __init__(self, config: Config, run_dir: Path, world: World) -> None:
        self.config, self.run_dir, self.world = config, run_dir, world
        self.dataset = read_dataset(Path(config.data.shards))
        self.step, self.seconds = 0, 0.0
        self._stop = StopFlag()
        torch.manual_seed(config.seed)
        self.model = Model(config).to(world.device)
        self.bank = Bank(config.bank, config.model.projection_dim).to(world.device)
        if config.optim.channels_last:
            self.model.encoders.video_net.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        if world.size > 1:  # statistics of the joint batch; torch has no synchronised batch norm for CPU ranks
            self.model = (
                nn.SyncBatchNorm.convert_sync_batchnorm(self.model) if world.device.type == "cuda" else self.model
            )
        self.optimizer = build_optimizer(self.model, config.optim)
        self.loader = SegmentLoader(self._loader_config(), device=world.device)
        self.forward: nn.Module = self.model
        if world.size > 1:
            self.forward = DistributedDataParallel(self.model)

    @property
    def checkpoint_path(self) -> Path:
        """The newest checkpoint of the run."""
        return self.run_dir / "checkpoints" / LAST_NAME

    def train(self) -> bool:
        """Train to the last step, or to a signal; true if the run is complete.

        Raises:
            RunError: another process trains here, or the run there has another configuration or other shards.
        """
        self.run_dir.mkdir(parents=True, exist_ok=True)
        with alone(self.run_dir) if self.world.is_main else nullcontext(), self._stop:
            if self.checkpoint_path.exists():
                self._resume()
            elif self.world.is_main:
                (self.run_dir / "config.yaml").write_text(self.config.to_yaml(), encoding="utf-8")
            if self.step >= self.config.steps:
                logger.info("%s: complete at step %d, nothing to do", self.run_dir, self.step)
                return True
            log = RunLog(self.run_dir, self.config.steps, self.step) if self.world.is_main else None
            try:
                self._loop(log)
            finally:
                if log:
                    log.close()
            if self.step >= self.config.steps and self.world.is_main:
                self._write_summary()
        return self.step >= self.config.steps

    def _write_summary(self) -> None:
        """training.json: written last, so that its presence says that the run is complete."""
        values = {
            "steps": self.step, "seconds": round(self.seconds, 1), "segments": self.loader.n_segments,
            "parameters": sum(p.numel() for p in self.model.parameters()), "seed": self.config.seed,
            "shards_fingerprint": self.dataset.fingerprint, "encoder_sha256": encoders_sha256(self.model.encoders),
            "torch": torch.__version__, "device": str(self.world.device), "world_size": self.world.size,
        }  # fmt: skip
        partial = self.run_dir / "training.json.partial"
        partial.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        partial.replace(self.run_dir / "training.json")
        logger.info("complete: %d steps in %.0f s; checkpoint %s", self.step, self.seconds, self.checkpoint_path)

    def _loop(self, log: RunLog | None) -> None:
        config = self.config
        since, clips, waited = time.monotonic(), 0, self.loader.wait_seconds
        while self.step < config.steps:
            objective, extra = self._train_step()
            clips += 2 * config.data.batch_size * config.optim.accumulate * self.world.size
            if self.step % config.log_every == 0 or self.step == config.steps:
                passed = time.monotonic() - since
                self.seconds += passed
                record = self._record(objective, extra, clips / passed, (self.loader.wait_seconds - waited) / passed)
                if log:
                    log.write(record)
                since, clips, waited = time.monotonic(), 0, self.loader.wait_seconds
            stopping = any_rank(flag=self._stop.raised, device=self.world.device)
            if stopping or self.step % config.checkpoint_every == 0 or self.step == config.steps:
                self._save()
            if stopping:
                logger.warning("stopped by a signal at step %d; saved, start again to go on", self.step)
                return

    def _train_step(self) -> tuple[Objective, dict[str, float]]:
        """One optimiser step, of one or several batches."""
        config = self.config
        rate = learning_rate(config.optim, self.step, config.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        for part in range(config.optim.accumulate):
            generator = torch.Generator(self.world.device).manual_seed(self._step_seed(part))
            objective = self._objective(next(self.loader), generator)
            (objective.total / config.optim.accumulate).backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), config.optim.clip_grad_norm)
        if not torch.isfinite(norm):
            raise RunError(
                f"{self.run_dir}: the gradient is not finite at step {self.step}; the last checkpoint is whole: "
                "lower optim.lr, or train in fp32"
            )
        self.optimizer.step()
        self.step += 1
        return objective, {"lr": rate, "gradient_norm": float(norm)}

    def _objective(self, batch: SegmentBatch, generator: torch.Generator) -> Objective:
        config, device = self.config, self.world.device
        batch = batch.to(device)
        plan = draw_plan(batch.n_frames, config.clip, generator)
        clips = make_clips(batch, plan, config, self.dataset.params.columns_per_frame, generator)
        with torch.autocast(device.type, torch.bfloat16, enabled=config.optim.precision == "bf16"):
            outputs = self.forward(clips)
        segments = Segments(batch.segment_id, batch.label, batch.has_audio)
        objective = compute_objective(
            outputs, plan, segments, self.bank, config,
            use_bank=self.step >= config.bank.warmup_steps, generator=generator,
        )  # fmt: skip
        own = len(batch.segment_id)
        self.bank.push(
            gather(outputs.video[:own].detach()), gather(outputs.audio[:own].detach()),
            gather(segments.source), gather(segments.label), gather(segments.has_audio),
        )  # fmt: skip
        return objective

    def _record(self, objective: Objective, extra: dict[str, float], rate: float, waiting: float) -> Record:
        terms = average({k: float(v.detach()) for k, v in objective.terms.items()})
        measures = average({k: float(v) for k, v in objective.measures.items()})
        loss = sum(getattr(self.config.loss, name) * value for name, value in terms.items())
        return Record(self.step, loss, terms, measures | extra, self.seconds, rate, waiting)

    def _step_seed(self, part: int) -> int:
        # One stream a (seed, rank, step, part): far apart, since a generator's neighbours are not correlated.
        counter = (self.step * self.config.optim.accumulate + part) * self.world.size + self.world.rank
        return (self.config.seed * 1_000_003 + counter) % (1 << 63)

    def _loader_config(self) -> LoaderConfig:
        data = self.config.data
        return LoaderConfig(
            shards=data.shards, batch_size=data.batch_size, frame_px=data.frame_px, window_frames=data.window_frames,
            shuffle=True, seed=self.config.seed, num_threads=data.num_threads, split=data.split,
            rank=self.world.rank, world_size=self.world.size,
        )  # fmt: skip

    def _save(self) -> None:
        loaders = gather_objects(self.loader.state_dict())
        if self.world.is_main:
            checkpoint = Checkpoint(
                step=self.step, seconds=self.seconds, config=self.config.as_dict(),
                shard_params=self.dataset.params.as_dict(), shards_fingerprint=self.dataset.fingerprint,
                world_size=self.world.size, model=self.model.state_dict(), bank=self.bank.state_dict(),
                optimizer=self.optimizer.state_dict(), loaders=loaders,
            )  # fmt: skip
            save_checkpoint(checkpoint, self.checkpoint_path)

    def _resume(self) -> None:
        saved = read_checkpoint(self.checkpoint_path, self.world.device)
        changed = _differences(config_from_dict(saved.config, str(self.checkpoint_path)), self.config)
        if changed:
            raise RunError(
                f"{self.run_dir} holds a run with other settings ({'; '.join(changed)}): choose another --run"
            )
        if saved.shards_fingerprint != self.dataset.fingerprint:
            raise RunError(
                f"{self.run_dir} was trained on other shards than {self.config.data.shards}: choose another --run"
            )
        if saved.world_size != self.world.size:
            raise RunError(
                f"{self.run_dir} was trained on {saved.world_size} ranks, not {self.world.size}: start as many"
            )
        self.model.load_state_dict(saved.model)
        self.bank.load_state_dict(saved.bank)
        self.optimizer.load_state_dict(saved.optimizer)
        self.loader.load_state_dict(saved.loaders[self.world.rank])
        self.step, self.seconds = saved.step, saved.seconds
        logger.info("resumed %s at step %d", self.run_dir, self.step)


def _differences(saved: Config, wanted: Config) -> list[str]:
    """`key: saved != wanted` for every setting that a resumed run may not change."""

    def flat(values: dict[str, object], prefix: str = "") -> dict[str, object]:
        result: dict[str, object] = {}
        for key, value in values.items():
            result |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
        return result

    before, after = flat(saved.as_dict()), flat(wanted.as_dict())
    return [
        f"{key}: {before.get(key)} there, {after[key]} asked" for key in after
        if before.get(key) != after[key] and key not in (*_SETTINGS_FREE_TO_CHANGE, "data.shards", "data.num_threads")
    ]  # fmt: skip
