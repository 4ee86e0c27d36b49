"""Checkpoints, runs and exports: whole ones, and who reads them.

What is needed is imported when it is, so that a process that fuzzes one kind does not pay for the others.
"""

from pathlib import Path

from tests.fuzz.shard_files import make_shards

_TINY = (
    "model.tiny_width=4", "model.head_hidden=8", "model.projection_hidden=8", "model.projection_dim=8", "clip.n_frames=4",
    "clip.crop_px=24", "data.frame_px=32", "data.window_frames=8", "data.split=''", "heldout.split=''",
)  # fmt: skip


def make_checkpoint(folder: Path) -> None:
    """A checkpoint of a tiny model at step 0."""
    import torch

    from tests.train.conftest import SMALL
    from train.config.load import load_config
    from train.model.encoders import build_encoders
    from train.run.checkpoint import Checkpoint, save_checkpoint

    torch.manual_seed(0)
    config = load_config("sample", _TINY)
    weights = {f"encoders.{name}": tensor for name, tensor in build_encoders(config.model).state_dict().items()}
    save_checkpoint(
        Checkpoint(
            step=0, seconds=0.0, config=config.as_dict(), shard_params=SMALL.as_dict(), shards_fingerprint="0" * 64,
            world_size=1, model=weights, optimizer={}, loaders=[{}], bank={},
        ),
        folder / "last.pt",
    )  # fmt: skip


def read_checkpoint(folder: Path, out: Path) -> None:
    """Load its encoders."""
    del out
    from train.run.checkpoint import load_encoders

    load_encoders(folder / "last.pt")


def _trainer(folder: Path, shards: Path, steps: int):
    from train.config.load import load_config
    from train.ranks.distributed import join_world
    from train.run.pretraining import Trainer

    more = (
        f"data.shards={shards}", f"steps={steps}", "data.batch_size=4", "data.num_threads=1", "clip.speeds=[1, 2]",
        "bank.size=16", "bank.n_negatives=4", "bank.negative_rank_low=4", "bank.negative_rank_high=8", "log_every=1",
    )  # fmt: skip
    return Trainer(load_config("sample", (*_TINY, *more)), folder / "run", join_world("cpu"))


def make_run(folder: Path) -> None:
    """A training after two steps; the shards lie beside it."""
    shards = folder.parent / "resume-shards"
    make_shards(shards)
    _trainer(folder, shards / "shards", 2).train()


def resume_run(folder: Path, out: Path) -> None:
    """Go on for one more step, in a copy: a training writes into its folder."""
    import shutil

    shutil.copytree(folder / "run", out / "run", symlinks=True)
    _trainer(out, folder.parents[1] / "resume-shards" / "shards", 3).train()


def make_export(folder: Path) -> None:
    """The same encoders, exported without ONNX."""
    from evaluate.export.export import export_run

    run = folder.parent / f"{folder.name}-run"
    (run / "checkpoints").mkdir(parents=True)
    make_checkpoint(run / "checkpoints")
    export_run(run, folder / "export", onnx=False)


def read_export(folder: Path, out: Path) -> None:
    """Load them."""
    del out
    from train.export.export import load_exported

    load_exported(folder / "export")
