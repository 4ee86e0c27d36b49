"""The training loop that pretraining and fine-tuning share: steps, log, checkpoints, exact resume.

A subclass makes model, optimiser and loader, and gives the loss of a batch. All randomness of a step is a function of
(seed, rank, step, part), and the checkpoint holds the loader's state: a resumed run computes what an uninterrupted one would.
"""

import json
import logging
import math
import time
from abc import ABC, abstractmethod
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from preprocess.shards.manifest import DatasetInfo
from store.atomic_files import folder_lock, remove_temporaries, write_text
from train.config.schema import RunConfig
from train.data.batch import SegmentBatch
from train.data.loader import SegmentLoader
from train.errors import CheckpointError, RunError, writing
from train.objective.losses import Objective
from train.ranks.distributed import World, any_rank, average, gather_objects
from train.ranks.rank_errors import fail_on_all_ranks, naming_lost_peers
from train.run.checkpoint import LAST_NAME, State, read_state, refuse_another_run, save_checkpoint
from train.run.optim import LR_FRACTION, learning_rate, load_moments
from train.run.run_log import Record, RunLog
from train.run.signals import StopFlag
from train.seeds import stream_seed

logger = logging.getLogger("train")

AnyConfig = TypeVar("AnyConfig", bound=RunConfig)
AnyModel = TypeVar("AnyModel", bound=nn.Module)


class TrainingLoop(ABC, Generic[AnyConfig, State, AnyModel]):
    """One training in one directory: config.yaml, log.jsonl, tensorboard/, checkpoints/, and training.json at its end.

    Args:
        config: settings.
        run_dir: directory of the run.
        world: this process among its peers.
        dataset: the shards that it trains on.
    """

    KIND: type[State]
    """Class of the checkpoints."""
    CLIPS_A_SEGMENT: ClassVar[int]
    REMEDY: ClassVar[str] = "choose another --run"
    """What to do where the directory holds another run."""

    model: AnyModel
    optimizer: torch.optim.Optimizer
    loader: SegmentLoader

    def __init__(self, config: AnyConfig, run_dir: Path, world: World, dataset: DatasetInfo) -> None:
        self.config, self.run_dir, self.world, self.dataset = config, run_dir, world, dataset
        self.checkpoint_path, self._summary_path = run_dir / "checkpoints" / LAST_NAME, run_dir / "training.json"
        self.step, self.seconds, self._since = 0, 0.0, 0.0
        self._stop = StopFlag()
        self._norms: list[torch.Tensor] = []  # of the gradient, a scalar each, on the device

    def _train_model(self, model: AnyModel, optimizer: torch.optim.Optimizer, loader: SegmentLoader) -> None:
        """Set the model, its optimiser and its loader; `forward` is the model, synchronised over the ranks."""
        self.model, self.optimizer, self.loader = model, optimizer, loader
        self.forward: nn.Module = model
        if self.world.size > 1:
            self.forward = DistributedDataParallel(model)

    @abstractmethod
    def _objective(self, batch: SegmentBatch, generator: torch.Generator) -> Objective:
        """Compute the losses of a batch; the generator is the only source of randomness."""

    @abstractmethod
    def _summary(self) -> dict[str, Any]:
        """Values of training.json besides steps, seconds, seed, shards and machine."""

    def _loss(self, terms: dict[str, float]) -> float:
        """Weigh and add up the terms, which were averaged over the ranks."""
        return sum(terms.values())

    def _heldout_due(self) -> bool:
        """Tell whether `_evaluate_heldout` is due after this step."""
        return False

    def _evaluate_heldout(self) -> dict[str, float]:
        """Measure held-out segments for the log; not every step does."""
        return {}

    def _own_state(self) -> dict[str, Any]:
        """Give the fields that the checkpoint has besides those of `TrainingState`."""
        return {}

    def _load_own_state(self, saved: State) -> None:
        """Restore the fields that `_own_state` gave."""

    def train(self) -> bool:
        """Train to the last step, or to a signal; return whether the run is complete.

        Raises:
            RunError: another process trains here, the directory holds another run, a file cannot be written, or a rank is
                lost.
            CheckpointError: the checkpoint is damaged, or cannot be written.
        """
        with naming_lost_peers(), ExitStack() as held, self._stop:
            with fail_on_all_ranks():
                self._start(held)
            steps = gather_objects(self.step)
            if len(set(steps)) > 1:
                raise RunError(f"{self.run_dir}: the ranks find checkpoints of steps {steps}; share one directory")
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
            held.enter_context(folder_lock(self.run_dir, writing))
            for folder in (self.run_dir, self.checkpoint_path.parent):
                remove_temporaries(folder)
        if self.checkpoint_path.exists():
            self._resume()
        if self.world.is_main and self.step < self.config.steps:
            write_text(self.run_dir / "config.yaml", self.config.to_yaml(), writing)
            with writing(self._summary_path):  # of fewer steps: its presence would say that the run is complete
                self._summary_path.unlink(missing_ok=True)

    def _end_again(self) -> None:
        """Finish a run that is found complete: it lacks its summary if it ended after the last checkpoint."""
        logger.info("%s: complete at step %d, nothing to do", self.run_dir, self.step)
        if self.world.is_main and not self._summary_path.exists():
            self._evaluate_heldout()
            self._write_summary()

    def _write_summary(self) -> None:
        """Write training.json, the last file: its presence says that the run is complete."""
        values = {
            "steps": self.step, "seconds": round(self.seconds, 1), "segments": self.loader.n_segments,
            "parameters": sum(p.numel() for p in self.model.parameters()), "seed": self.config.seed,
            "shards_fingerprint": self.dataset.fingerprint, "torch": torch.__version__,
            "device": str(self.world.device), "world_size": self.world.size,
        }  # fmt: skip
        write_text(self._summary_path, json.dumps(values | self._summary(), indent=2) + "\n", writing)
        logger.info("complete: %d steps in %.0f s; checkpoint %s", self.step, self.seconds, self.checkpoint_path)

    def _loop(self, log: RunLog | None) -> None:
        config = self.config
        clips_a_step = self.CLIPS_A_SEGMENT * config.data.batch_size * config.optim.accumulate * self.world.size
        clips, waited, self._since = 0, self.loader.wait_seconds, time.monotonic()
        while self.step < config.steps:
            objective, extra = self._train_step()
            clips += clips_a_step
            evaluating = self._heldout_due()
            if self.step % config.log_every == 0 or self.step == config.steps or evaluating:
                extra["gradient_norm"] = self._check_norms()
                passed = time.monotonic() - self._since
                self.seconds += passed
                if evaluating:
                    extra |= self._evaluate_heldout()
                record = self._record(objective, extra, clips / passed, (self.loader.wait_seconds - waited) / passed)
                if log:
                    log.write(record)
                clips, waited, self._since = 0, self.loader.wait_seconds, time.monotonic()
            stopping = any_rank(flag=self._stop.raised)
            if stopping or self.step % config.checkpoint_every == 0 or self.step == config.steps:
                self._save()
            if stopping:
                logger.warning("stopped by a signal at step %d; saved, start again to go on", self.step)
                return

    def _train_step(self) -> tuple[Objective, dict[str, float]]:
        """Take one optimiser step, on one or several batches."""
        config = self.config
        rate = learning_rate(config.optim, self.step, config.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get(LR_FRACTION, 1.0)
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        n_parts, forward = config.optim.accumulate, self.forward
        for part in range(n_parts):
            seed = stream_seed("step", config.seed, self.world.rank, self.step, part)
            generator = torch.Generator(self.world.device).manual_seed(seed)
            is_last = part + 1 == n_parts  # only its backward pass averages the gradients over the ranks
            with forward.no_sync() if isinstance(forward, DistributedDataParallel) and not is_last else nullcontext():
                objective = self._objective(next(self.loader), generator)
                (objective.total / n_parts).backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), config.optim.clip_grad_norm)
        self._norms.append(norm)
        self.optimizer.step()
        self.step += 1
        return objective, {"lr": rate}

    def _check_norms(self) -> float:
        """Give the last step's gradient norm. Steps are checked when they are logged or saved: the host waits for a GPU.

        Raises:
            RunError: a step since the last check had a gradient that is not finite.
        """
        norms = torch.stack(self._norms).tolist()
        self._norms = self._norms[-1:]
        for step, norm in enumerate(norms, self.step - len(norms)):
            if not math.isfinite(norm):
                raise RunError(
                    f"{self.run_dir}: the gradient is not finite at step {step}; the last checkpoint is whole: "
                    "lower optim.lr, or train in fp32"
                )
        return norms[-1]

    def _record(self, objective: Objective, extra: dict[str, float], rate: float, waiting: float) -> Record:
        terms = average({k: float(v.detach()) for k, v in objective.terms.items()})
        measures = average({k: float(v) for k, v in objective.measures.items()})
        return Record(self.step, self._loss(terms), terms, measures | extra, self.seconds, rate, waiting)

    def _save(self) -> None:
        self._check_norms()
        loaders = gather_objects(self.loader.state_dict())
        with fail_on_all_ranks():  # a rank that left earlier would have torchrun end this one while it writes
            if not self.world.is_main:
                return
            state = self.KIND(
                step=self.step, seconds=self.seconds + time.monotonic() - self._since, config=self.config.as_dict(),
                shard_params=self.dataset.params.as_dict(), shards_fingerprint=self.dataset.fingerprint,
                world_size=self.world.size, model=self.model.state_dict(), optimizer=self.optimizer.state_dict(),
                loaders=loaders, **self._own_state(),
            )  # fmt: skip
            save_checkpoint(state, self.checkpoint_path)

    def _resume(self) -> None:
        saved = read_state(self.KIND, self.checkpoint_path, self.world.device)
        refuse_another_run(
            saved, self.config, self.dataset.fingerprint, self.world.size, str(self.run_dir), self.REMEDY
        )
        try:
            self.model.load_state_dict(saved.model)
            load_moments(self.optimizer, saved.optimizer)
            self.loader.load_state_dict(saved.loaders[self.world.rank])
            self._load_own_state(saved)
        except (RuntimeError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            said = " ".join(str(error).split())
            raise CheckpointError(f"{self.checkpoint_path}: damaged, does not fit its own settings ({said})") from error
        self.step, self.seconds = saved.step, saved.seconds
        logger.info("resumed %s at step %d", self.run_dir, self.step)
