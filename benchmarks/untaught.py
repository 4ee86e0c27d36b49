"""Checkpoints of encoders that have seen one batch: what they weigh does not change what they cost."""

import shutil
from dataclasses import replace
from pathlib import Path

from benchmarks.sources import collage, shards_of
from benchmarks.step import bench_config, trainer
from preprocess.schema import PRESETS


def checkpoint(path: Path, preset: str, shards: Path, overrides: tuple[str, ...]) -> Path:
    """Train a preset for a step, if that was not done before."""
    if not path.exists():
        config = bench_config(preset, shards, ("steps=1", "data.batch_size=2", "data.split=''", *overrides))
        with trainer(config) as run:
            run.train()
            shutil.copy(run.checkpoint_path, path)
    return path


def fingerprint_checkpoint(folder: Path) -> Path:
    """Encoders of the preset `fingerprint`."""
    params = replace(PRESETS["fingerprint"], sources_per_shard=4)
    shards = shards_of(collage(folder, 4), folder / "fingerprint-shards", params)
    return checkpoint(folder / "fingerprint.pt", "fingerprint", shards, ())
