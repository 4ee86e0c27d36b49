"""All that is fuzzed: each kind with its specimen, its readers, and the errors that may come of it."""

import importlib

from tests.fuzz.hostile import JSON
from tests.fuzz.hostile_shards import SHARDS
from tests.fuzz.hostile_stored import CHECKPOINT, EXPORT, STORE
from tests.fuzz.shard_files import ingest_media, load_shards, make_media, make_shards, verify_shards
from tests.fuzz.store_files import make_index, make_library, make_store, read_index, read_library, read_store
from tests.fuzz.target import Target
from tests.fuzz.weight_files import make_checkpoint, make_export, make_run, read_checkpoint, read_export, resume_run

_PREPROCESS, _TRAIN = "preprocess.errors:PreprocessError", "train.errors:TrainError"
_STORE, _EVALUATE = "store.errors:StoreError", "evaluate.errors:EvaluateError"
_TORCH = ("torch", "torchvision", "preprocess.build.pipeline")

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target(
            "shards", make_shards, verify_shards, (_PREPROCESS,), crafted=SHARDS, preload=("preprocess.verify.shard_set",)
        ),
        Target("store", make_store, read_store, (_STORE,), crafted=STORE, preload=("store.verify", "pandas")),
        Target(
            "index", make_index, read_index, (_EVALUATE, _STORE), crafted=JSON,
            preload=("evaluate.fingerprint.index.archive",),
        ),
        Target("library", make_library, read_library, (_EVALUATE,), crafted=JSON, preload=("faiss",)),
        Target(
            "checkpoint", make_checkpoint, read_checkpoint, (_TRAIN,), crafted=CHECKPOINT,
            preload=(*_TORCH, "train.run.checkpoint"),
        ),
        Target(
            "resume", make_run, resume_run, (_TRAIN, _PREPROCESS), ("run/checkpoints/*.pt",), crafted=CHECKPOINT,
            preload=(*_TORCH, "train.run.pretraining", "tensorboard.summary", "torch.utils.tensorboard"),
        ),
        Target(
            "export", make_export, read_export, (_TRAIN,), ("*/config.json", "*/*.safetensors"), crafted=EXPORT,
            preload=(*_TORCH, "train.export.export"),
        ),
        Target(
            "loader", make_shards, load_shards, (_TRAIN, _PREPROCESS),
            crafted=SHARDS, preload=("train.data.loader",),
        ),
        Target("media", make_media, ingest_media, (_PREPROCESS,), preload=(*_TORCH, "torchaudio", "av")),
    )
}  # fmt: skip


def find_target(name: str) -> Target:
    """A target by its name, or by "module:attribute"."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute) if attribute else TARGETS[name]
