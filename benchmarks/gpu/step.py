"""One training step in every precision, layout and batch size, beside the bare network on the same shapes."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import torch

from benchmarks.training_step import FUNCTIONS, OPTIONS, clock, step_laps
from train.config.schema import Config
from train.ranks.distributed import join_world
from train.run.pretraining import Trainer
from train.views.training_clips import TrainClips

WARM_UP = 3
"""Steps before the clock runs: the first ones choose kernels, and compile."""
PARTS = [f"{part}, ms" for part in FUNCTIONS]
HEAD = ["case", "clips/s", "ms", "waiting", "peak GiB", *PARTS, "bare clips/s", "of bare"]


@dataclass(frozen=True)
class Case:
    """How a step is computed; `batch` counts segments, of two clips each."""

    batch: int
    precision: str
    channels_last: bool
    compiled: bool

    @property
    def settings(self) -> tuple[str, ...]:
        """Overrides of a preset."""
        return (
            f"data.batch_size={self.batch}", f"optim.precision={self.precision}",
            f"optim.channels_last={str(self.channels_last).lower()}",
        )  # fmt: skip

    def __str__(self) -> str:
        layout = "channels last" if self.channels_last else "contiguous"
        return f"{self.precision}, {layout}, batch {self.batch}{', compiled' * self.compiled}"


def cases(batches: Sequence[int]) -> list[Case]:
    """All cases, those that take longest to prepare last."""
    kinds = [(compiled, precision) for compiled in (False, True) for precision in ("bf16", "fp32")]
    return [Case(n, precision, layout, late) for late, precision in kinds for n in batches for layout in (True, False)]


def measure(case: Case, load: Callable[..., Config], device: str, n_steps: int) -> tuple[float, list[str]]:
    """Train for a few steps in a folder that is thrown away; return the seconds of a step, and the cells below `HEAD`.

    `load` gives the configuration under further overrides. So many steps count for each of the three measures: the trainer's
    own loop, in which the host runs ahead of a GPU; each part, where the host waits for the GPU before and after; and the
    network's passes on random clips.
    """
    config, world = load(*case.settings, *OPTIONS), join_world(device)
    with tempfile.TemporaryDirectory(prefix="avtempo-gpu-") as run:
        trainer = Trainer(config, Path(run), world)
        if case.compiled:
            trainer.model.encoders.video_net.compile()
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        _timed(trainer._train_step, WARM_UP)
        waited = trainer.loader.wait_seconds
        seconds = _timed(trainer._train_step, n_steps)
        waiting = (trainer.loader.wait_seconds - waited) / n_steps / seconds
        # Of torch's memory; DALI's is not in it.
        peak = f"{torch.cuda.max_memory_allocated() / 2**30:.1f}" if device == "cuda" else "-"
        with step_laps() as laps:
            _timed(trainer._train_step, n_steps)
        bare = _bare(trainer)
        _timed(bare, WARM_UP)
        bare_seconds = _timed(bare, n_steps)
    n_clips = 2 * case.batch
    return seconds, [
        str(case), f"{n_clips / seconds:.0f}", f"{1e3 * seconds:.1f}", f"{waiting:.0%}", peak,
        *(f"{1e3 * mean(lap[part] for lap in laps):.1f}" for part in FUNCTIONS),
        f"{n_clips / bare_seconds:.0f}", f"{bare_seconds / seconds:.0%}",
    ]  # fmt: skip


def _timed(work: Callable[[], object], times: int) -> float:
    """Seconds of one of so many calls."""
    since = clock()
    for _ in range(times):
        work()
    return (clock() - since) / times


def _bare(trainer: Trainer) -> Callable[[], None]:
    """Forward and backward pass of the trainer's network, without loader, augmentation, objective and optimiser."""
    config, params, device = trainer.config, trainer.dataset.params, trainer.world.device
    n, px, n_columns = 2 * config.data.batch_size, config.clip.crop_px, config.clip.clock_frames - 1
    video = torch.randn(n, 3, config.clip.n_frames, px, px, device=device)
    audio = torch.randn(n, 1, params.n_mels, n_columns * params.columns_per_frame + 1, device=device)
    clips = TrainClips(video, audio, torch.ones(n, dtype=torch.bool, device=device), n // 2)

    def passes() -> None:
        trainer.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=config.optim.precision == "bf16"):
            outputs = trainer.forward(clips)
        vectors = (*outputs.embeddings.values(), *outputs.logits.values())
        torch.stack([each.float().square().sum() for each in vectors]).sum().backward()

    return passes
