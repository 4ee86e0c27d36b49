"""The training loop: load, cut views, forward, objective, step; logged, saved, resumed exactly.

All randomness of a step is a function of (seed, rank, step), and the loader's state is in the checkpoint: a run that was
interrupted goes on as if it had not been.
"""

import json
import logging
import time
from contextlib import ExitStack, nullcontext
from pathlib import Path

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from preprocess.manifest import read_dataset
from train.bank import Bank
from train.checkpoint import LAST_NAME, Checkpoint, encoders_sha256, read_checkpoint, save_checkpoint
from train.clips import make_clips
from train.config import Config
from train.distributed import World, any_rank, average, gather, gather_objects, wait_to_sync
from train.errors import RunError
from train.files import write_whole, writing
from train.guard import StopFlag, alone
from train.heads import Model
from train.heldout import Heldout, Score, heldout_table
from train.loader import LoaderConfig, SegmentBatch, SegmentLoader
from train.media import refuse_blind
from train.objective import Objective, Segments, compute_objective
from train.optim import build_optimizer, learning_rate
from train.peers import naming_lost_peers, together
from train.resume import refuse_another_run
from train.runlog import Record, RunLog
from train.views import draw_plan

logger = logging.getLogger("train")


class Trainer:
    """One run in one directory: config.yaml, log.jsonl, tensorboard/, checkpoints/."""

    def __init__(self, config: Config, run_dir: Path, world: World) -> None:
        self.config, self.run_dir, self.world = config, run_dir, world
        self.dataset = read_dataset(Path(config.data.shards))
        refuse_blind(config, self.dataset.params.media)
        self.step, self.seconds = 0, 0.0
        self._stop = StopFlag()
        torch.manual_seed(config.seed)
        self.model = Model(config).to(world.device)
        self.bank = Bank(config.bank, config.model.projection_dim, self.model.spaces).to(world.device)
        if config.optim.channels_last:
            self.model.encoders.channels_last()
        if world.size > 1 and world.device.type == "cuda":
            # Statistics of the joint batch; torch has no such norm for CPU ranks.
            self.model = nn.SyncBatchNorm.convert_sync_batchnorm(self.model)
        self.optimizer = build_optimizer(self.model, config.optim)
        with naming_lost_peers(), together():
            self.loader = SegmentLoader(self._loader_config(), device=world.device)
            asks = config.heldout.split and len(self.model.heads)
            self.heldout = Heldout(config, world.device) if asks else None
        self.scores: dict[str, Score] = {}
        self.forward: nn.Module = self.model
        if world.size > 1:
            self.forward = DistributedDataParallel(self.model)

    @property
    def checkpoint_path(self) -> Path:
        """The newest checkpoint of the run."""
        return self.run_dir / "checkpoints" / LAST_NAME

    @property
    def _summary_path(self) -> Path:
        return self.run_dir / "training.json"

    def train(self) -> bool:
        """Train to the last step, or to a signal; true if the run is complete.

        Raises:
            RunError: another process trains here, the run there is another, a file cannot be written, or a rank is lost.
            CheckpointError: the checkpoint is damaged, or cannot be written.
        """
        with naming_lost_peers(), ExitStack() as held, self._stop:
            with together():
                self._start(held)
            steps = gather_objects(self.step)
            if len(set(steps)) > 1:
                raise RunError(
                    f"{self.run_dir}: the ranks find checkpoints of steps {steps}; all must see one directory"
                )
            if self.step >= self.config.steps:
                self._end_again()
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

    def _start(self, held: ExitStack) -> None:
        with writing(self.run_dir):
            self.run_dir.mkdir(parents=True, exist_ok=True)
        if self.world.is_main:
            held.enter_context(alone(self.run_dir))
        if self.checkpoint_path.exists():
            self._resume()
        elif self.world.is_main:
            write_whole(self.run_dir / "config.yaml", self.config.to_yaml())
        if self.world.is_main and self.step < self.config.steps:
            with writing(self._summary_path):  # of fewer steps: it would say that the run is complete
                self._summary_path.unlink(missing_ok=True)

    def _end_again(self) -> None:
        """A run found complete; one that ended between the last checkpoint and the summary still lacks that."""
        logger.info("%s: complete at step %d, nothing to do", self.run_dir, self.step)
        if self.world.is_main and not self._summary_path.exists():
            self._ask()
            self._write_summary()

    def _write_summary(self) -> None:
        """training.json: written last, so that its presence says that the run is complete."""
        values = {
            "steps": self.step, "seconds": round(self.seconds, 1), "segments": self.loader.n_segments,
            "parameters": sum(p.numel() for p in self.model.parameters()), "seed": self.config.seed,
            "shards_fingerprint": self.dataset.fingerprint, "encoder_sha256": encoders_sha256(self.model.encoders),
            "torch": torch.__version__, "device": str(self.world.device), "world_size": self.world.size,
            "heldout": {name: round(score.accuracy, 6) for name, score in self.scores.items() if score.n_labels},
        }  # fmt: skip
        write_whole(self._summary_path, json.dumps(values, indent=2) + "\n")
        if self.scores:
            logger.info(heldout_table(self.scores))
        logger.info("complete: %d steps in %.0f s; checkpoint %s", self.step, self.seconds, self.checkpoint_path)

    def _loop(self, log: RunLog | None) -> None:
        config = self.config
        since, clips, waited = time.monotonic(), 0, self.loader.wait_seconds
        while self.step < config.steps:
            objective, extra = self._train_step()
            clips += 2 * config.data.batch_size * config.optim.accumulate * self.world.size
            asking = self.heldout is not None and self.heldout.due(self.step)
            if self.step % config.log_every == 0 or self.step == config.steps or asking:
                passed = time.monotonic() - since
                self.seconds += passed
                if asking:
                    extra |= self._ask()
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
            with wait_to_sync(self.forward) if part + 1 < config.optim.accumulate else nullcontext():
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
        first_views = outputs.embeddings.views()[0].map(lambda x: gather(x.detach()))
        self.bank.push(first_views, *(gather(x) for x in (segments.source, segments.label, segments.has_audio)))
        return objective

    def _ask(self) -> dict[str, float]:
        """Held-out accuracies for the log. The main process asks alone: the others wait for it at the next step."""
        if self.heldout is None or not self.world.is_main:
            return {}
        self.scores = self.heldout.scores(self.model)
        return {f"heldout/{name}": score.accuracy for name, score in self.scores.items()}

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
        with together():  # a rank that left earlier would have torchrun end this one while it writes
            self._write_checkpoint(loaders)

    def _write_checkpoint(self, loaders: list[object]) -> None:
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
        refuse_another_run(saved, self.config, self.dataset.fingerprint, self.world.size, self.run_dir)
        self.model.load_state_dict(saved.model)
        self.bank.load_state_dict(saved.bank)
        self.optimizer.load_state_dict(saved.optimizer)
        self.loader.load_state_dict(saved.loaders[self.world.rank])
        self.step, self.seconds = saved.step, saved.seconds
        logger.info("resumed %s at step %d", self.run_dir, self.step)
