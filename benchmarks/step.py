"""The trainer's step, composed of the same public functions with a lap after each.

`tests/benchmarks/test_step.py` holds that it trains as the trainer does.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from benchmarks.stopwatch import Stopwatch
from train.config.load import load_config
from train.config.schema import Config, HeldoutConfig
from train.objective.objective import Segments, compute_objective
from train.ranks.distributed import World
from train.run.optim import learning_rate
from train.run.pretraining import Trainer, reserve_cores_for_loader
from train.views.augment_audio import augment_audio
from train.views.augment_video import augment_video
from train.views.training_clips import TrainClips, gather_views

WAIT, VIEWS, AUGMENT = "waiting for data", "gathering views", "augmentation"
FORWARD, OBJECTIVE, BACKWARD, OPTIMISER = "forward", "objective and bank", "backward", "clipping and optimiser"
PARTS = (WAIT, VIEWS, AUGMENT, FORWARD, OBJECTIVE, BACKWARD, OPTIMISER)
OVERHEAD = (WAIT, VIEWS, AUGMENT, OBJECTIVE)
"""What is not the network: neither its passes nor its update."""
CPU = World(0, 1, torch.device("cpu"))


def bench_config(preset: str, shards: Path, overrides: tuple[str, ...] = ()) -> Config:
    """A preset as it trains once the bank is drawn from; held-out segments are not asked."""
    config = load_config(preset, (f"data.shards={shards}", "bank.warmup_steps=0", "optim.accumulate=1", *overrides))
    return replace(config, heldout=HeldoutConfig())


@contextmanager
def trainer(config: Config) -> Iterator[Trainer]:
    """A trainer in a folder that is gone afterwards."""
    with TemporaryDirectory(prefix="avtempo-bench-") as folder:
        yield Trainer(config, Path(folder) / "run", CPU)


def timed_step(run: Trainer, watch: Stopwatch) -> Tensor:
    """One step of one batch on the CPU in fp32; gives the loss, a scalar."""
    config, cpf = run.config, run.dataset.params.columns_per_frame
    watch.start()
    for group in run.optimizer.param_groups:
        group["lr"] = learning_rate(config.optim, run.step, config.steps)
    run.model.train()
    run.optimizer.zero_grad(set_to_none=True)
    watch.lap(OPTIMISER)
    batch = next(run.loader)
    watch.lap(WAIT)
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + run.step)
    with reserve_cores_for_loader(config.data.num_threads, CPU.device):
        frames, logmel = gather_views(batch, config.clip, cpf)
        watch.lap(VIEWS)
        video = None if frames is None else augment_video(frames, config.augment, config.clip.crop_px, generator)
        clips = TrainClips(video, augment_audio(logmel, config.augment, generator), batch.has_audio.repeat(2))
    watch.lap(AUGMENT)
    outputs = run.forward(clips)
    watch.lap(FORWARD)
    segments = Segments(batch.segment_id, batch.label, batch.has_audio)
    objective = compute_objective(
        outputs, batch.plan, segments, run.bank, config,
        use_bank=run.step >= config.bank.warmup_steps, generator=generator,
    )  # fmt: skip
    first_views = outputs.embeddings.views()[0]
    run.bank.push(first_views, segments.source, segments.label, segments.has_audio)
    watch.lap(OBJECTIVE)
    objective.total.backward()
    watch.lap(BACKWARD)
    norm = nn.utils.clip_grad_norm_(run.model.parameters(), config.optim.clip_grad_norm)
    torch.isfinite(norm).item()
    run.optimizer.step()
    run.step += 1
    watch.lap(OPTIMISER)
    return objective.total.detach()
