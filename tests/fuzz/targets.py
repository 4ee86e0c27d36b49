"""What is fuzzed: for each kind of file how to make a whole one, who reads it, and the errors that may come of it.

Readers import what they need when they run, so that a process that fuzzes one kind does not pay for the others.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from tests.fuzz import hostile


class UnsoundError(AssertionError):
    """A reader took what it should have refused, or made something that is not whole."""


Read = Callable[[Path, Path], None]
"""Given the folder that was mutated and an empty folder for output: read it in every way there is."""


@dataclass(frozen=True)
class Target:
    """A kind of file.

    Attributes:
        name: of the kind.
        make: fills a folder with a whole specimen.
        read: reads it.
        errors: names, as "module:class", of the errors that may come of it.
        patterns: which files of the specimen are mutated.
        crafted: what is done to a folder besides mutating bytes.
        preload: modules that are loaded before memory is limited.
    """

    name: str
    make: Callable[[Path], None]
    read: Read
    errors: tuple[str, ...]
    patterns: tuple[str, ...] = ("*",)
    crafted: tuple[hostile.Craft, ...] = ()
    preload: tuple[str, ...] = field(default=("numpy",))


def make_shards(folder: Path) -> None:
    """Three shards of two sources; one source in three has no sound."""
    from tests.train.conftest import SMALL, write_shards

    write_shards(folder / "shards", 6, replace(SMALL, sources_per_shard=2))


def verify_shards(folder: Path, out: Path) -> None:
    """Look into every file, and read the tables."""
    del out
    from preprocess.errors import PreprocessError
    from preprocess.executors import SerialExecutor
    from preprocess.manifest import read_segments, read_sources
    from preprocess.verify import verify

    findings = verify(folder / "shards", executor=SerialExecutor())
    for finding in findings:
        str(finding)
    if not findings and hostile.archives_changed(folder):
        raise UnsoundError("archives were changed, and verify finds nothing")
    for read in (read_segments, read_sources):
        try:
            read(folder / "shards")
        except PreprocessError as error:
            str(error)


def load_shards(folder: Path, out: Path) -> None:
    """Load every segment, then those of a split."""
    del out
    from train.loader import LoaderConfig, iterate_once

    config = LoaderConfig(
        str(folder / "shards"), batch_size=4, frame_px=32, window_frames=6, shuffle=False, seed=0, num_threads=1
    )
    for _ in iterate_once(config):
        pass
    for _ in iterate_once(replace(config, split="1:train")):
        pass


def make_store(folder: Path) -> None:
    """A store of 60 rows."""
    from store.format import Provenance
    from store.writer import write_part
    from tests.store.conftest import _make_rows

    write_part(
        folder / "a.h5", _make_rows(0, 60), Provenance("ab" * 32, {"n_clips": 2}, "cd" * 32, "sample", "pretrained")
    )


def read_store(folder: Path, out: Path) -> None:
    """Verify, then read all of it."""
    del out
    from store.errors import DamagedStoreError, StoreError
    from store.reader import EmbeddingStore
    from store.verify import verify

    path = folder / "a.h5"
    for finding in verify(path):
        # Who opens such a file without `verify` may wait for ever: docs/store-format.md, a known limit.
        if "heap collection" in finding.problem:
            raise DamagedStoreError(path, finding.problem, finding.remedy)
    with EmbeddingStore(path) as store:
        try:
            store.frame()
        except StoreError as error:
            str(error)
        for name in store.vector_names:
            store.vectors(name)
            store.vectors(name, [3, 1])


def _described(name: str, seed: int, seconds: float = 9.0):
    from tests.evaluate.fingerprint.conftest import Signal, describe

    return describe(name, Signal(seed, seconds).at, seconds, sound=Signal(100 + seed, seconds).at)


def make_index(folder: Path) -> None:
    """An index of two parts, the second with a file that could not be read."""
    import json

    from evaluate.fingerprint.archive import ARCHIVE_FILE, FORMAT_NAME, FORMAT_VERSION, Archive, IndexedSource
    from evaluate.fingerprint.descriptors import make_rows
    from store.writer import write_part

    settings = {"hop_seconds": 0.5, "picture": "within"}
    values = {"format": FORMAT_NAME, "format_version": FORMAT_VERSION, "encoder_sha256": "ab" * 32}
    (folder / "parts").mkdir()
    (folder / ARCHIVE_FILE).write_text(json.dumps(values | {"encoder_path": "", "settings": settings}))
    archive = Archive.open(folder)
    for number in (1, 2):
        each = _described(f"{number}.mp4", number)
        write_part(archive.part_path(number), make_rows([each], 32, 32), archive.provenance)
        found = IndexedSource(each.source, f"/x/{each.source}", 10, 20, len(each), 9.0)
        archive.write_list(number, [found, IndexedSource(f"bad{number}", "/x", 1, 2, reason="no video")])


def read_index(folder: Path, out: Path) -> None:
    """Read lists and descriptors."""
    del out
    from evaluate.fingerprint.archive import Archive

    archive = Archive.open(folder)
    archive.sources()
    float(archive.hop_seconds)
    for each in archive.descriptors():
        len(each)


def make_library(folder: Path) -> None:
    """One library that is searched flat, and one by inverted lists."""
    from evaluate.fingerprint.calibrate import Calibration
    from evaluate.fingerprint.library import build_library
    from evaluate.fingerprint.library_file import save_library

    references = [_described(f"r{i}", i, 40.0) for i in range(10)]  # FAISS wants 39 rows for each of 16 centroids
    for name, rows in (("flat", 10_000), ("inverted", 100)):
        library = build_library(references, 0.5, background=[_described("u", 50)], flat_below_rows=rows)
        save_library(folder / name, "key", library, Calibration(0.2, 0.01, 1.0, 30))


def read_library(folder: Path, out: Path) -> None:
    """Load both, and ask them if they load."""
    del out
    from evaluate.fingerprint.library import LeaveOut
    from evaluate.fingerprint.library_file import load_library

    for name in ("flat", "inverted"):
        loaded = load_library(folder / name, "key")
        if loaded is not None:
            library = loaded[0]
            question = library.ask(_described("q", 3, 6.0), LeaveOut())
            for source in library.candidates(question, 3):
                library.evidence(question, source)


_TINY = (
    "model.tiny_width=4", "model.head_hidden=8", "model.projection_hidden=8", "model.projection_dim=8", "clip.n_frames=4",
    "clip.crop_px=24", "data.frame_px=32", "data.window_frames=8", "data.split=''", "heldout.split=''",
)  # fmt: skip


def make_checkpoint(folder: Path) -> None:
    """A checkpoint of a tiny model at step 0."""
    import torch

    from tests.train.conftest import SMALL
    from train.checkpoint import Checkpoint, save_checkpoint
    from train.encoders import build_encoders
    from train.settings import load_config

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
    from train.checkpoint import load_encoders

    load_encoders(folder / "last.pt")


def _trainer(folder: Path, shards: Path, steps: int):
    from train.distributed import join_world
    from train.settings import load_config
    from train.trainer import Trainer

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
    from train.export import export_run

    run = folder.parent / f"{folder.name}-run"
    (run / "checkpoints").mkdir(parents=True)
    make_checkpoint(run / "checkpoints")
    export_run(run, folder / "export", onnx=False)


def read_export(folder: Path, out: Path) -> None:
    """Load them."""
    del out
    from train.export import load_exported

    load_exported(folder / "export")


def make_media(folder: Path) -> None:
    """Small clips in the containers that matter, and a still picture."""
    import simplejpeg

    from tests.soak.clip import Look, write_clip

    rng = np.random.default_rng(0)
    looks = {
        "a.mp4": Look(), "b.mkv": Look(container="matroska", is_variable=True), "c.ts": Look(container="mpegts"),
        "d.avi": Look(container="avi", codec="mjpeg", sound="pcm_s16le", pixels="yuvj420p"),
        "e.flv": Look(container="flv", codec="flv1", sound=None),
    }  # fmt: skip
    for name, look in looks.items():
        (folder / name).write_bytes(write_clip(look, rng))
    (folder / "f.wav").write_bytes(write_clip(Look(container="wav", codec=None, sound="pcm_s16le"), rng))
    picture = simplejpeg.encode_jpeg(rng.integers(0, 255, (48, 64, 3)).astype(np.uint8))
    (folder / "g.jpg").write_bytes(picture)


def ingest_media(folder: Path, out: Path) -> None:
    """Make shards of the one file that was mutated; what comes out must be whole."""
    from preprocess.executors import SerialExecutor
    from preprocess.pipeline import build
    from preprocess.records import Catalogue, Limits, Source
    from preprocess.verify import verify
    from tests.train.conftest import SMALL

    path = hostile.mutated_file(folder)
    params = replace(SMALL, media="audio" if path.suffix == ".wav" else "video")
    catalogue = Catalogue("fuzz", params.media, (Source(0, path, path.name),))
    limits = Limits(timeout_seconds=20.0, max_duration_seconds=600.0, max_pixels=1 << 22)
    build(catalogue, out / "shards", params, executor=SerialExecutor(), limits=limits)
    if findings := verify(out / "shards", executor=SerialExecutor()):
        raise UnsoundError(f"shards of mutated media are not whole: {findings[0]}")


_PREPROCESS, _TRAIN = "preprocess.errors:PreprocessError", "train.errors:TrainError"
_STORE, _EVALUATE = "store.errors:StoreError", "evaluate.errors:EvaluateError"
_TORCH = ("torch", "torchvision", "preprocess.pipeline")

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target(
            "shards", make_shards, verify_shards, (_PREPROCESS,), crafted=hostile.SHARDS, preload=("preprocess.verify",)
        ),
        Target("store", make_store, read_store, (_STORE,), crafted=hostile.STORE, preload=("store.verify", "pandas")),
        Target(
            "index", make_index, read_index, (_EVALUATE, _STORE), crafted=hostile.JSON,
            preload=("evaluate.fingerprint.archive",),
        ),
        Target("library", make_library, read_library, (_EVALUATE,), crafted=hostile.JSON, preload=("faiss",)),
        Target(
            "checkpoint", make_checkpoint, read_checkpoint, (_TRAIN,), crafted=hostile.CHECKPOINT,
            preload=(*_TORCH, "train.checkpoint"),
        ),
        Target(
            "resume", make_run, resume_run, (_TRAIN, _PREPROCESS), ("run/checkpoints/*.pt",), crafted=hostile.CHECKPOINT,
            preload=(*_TORCH, "train.trainer", "tensorboard.summary", "torch.utils.tensorboard"),
        ),
        Target(
            "export", make_export, read_export, (_TRAIN,), ("*/config.json", "*/*.safetensors"), crafted=hostile.EXPORT,
            preload=(*_TORCH, "train.export"),
        ),
        # UnicodeDecodeError: DALI quotes damaged bytes in its messages, and the loader does not expect that.
        Target(
            "loader", make_shards, load_shards, (_TRAIN, _PREPROCESS, "builtins:UnicodeDecodeError"),
            crafted=hostile.SHARDS, preload=("train.loader",),
        ),
        Target("media", make_media, ingest_media, (_PREPROCESS,), preload=(*_TORCH, "torchaudio", "av")),
    )
}  # fmt: skip


def find_target(name: str) -> Target:
    """A target by its name, or by "module:attribute"."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute) if attribute else TARGETS[name]
