import numpy as np
import pytest
import torch

from evaluate.protocols.video_features import Part, Videos, l2_normalise
from preprocess.build.pipeline import build
from preprocess.catalogues.open_catalogue import open_catalogue
from preprocess.executors.processes import SerialExecutor
from preprocess.schema import ShardParams
from store.format import Provenance, Rows
from store.reader import EmbeddingStore
from store.writer import write_part
from tests.preprocess.made_media import tone, write_clip, write_esc50
from train.config.load import check
from train.config.schema import Config
from train.model.encoders import build_encoders
from train.run.checkpoint import LAST_NAME, Checkpoint, save_checkpoint


def build_videos(
    labels, *, groups=None, sides=None, video=None, audio=None, has_video=None, has_audio=None, splits=("1",)
):
    """Videos from arrays; `sides` (n,) of "train" | "test" | "" holds for every split."""
    labels = np.asarray(labels, np.int64)
    n = len(labels)
    parts = {}
    for name, vectors, has in (("video", video, has_video), ("audio", audio, has_audio)):
        if vectors is not None:
            present = np.ones(n, bool) if has is None else np.asarray(has, bool)
            parts[name] = Part(l2_normalise(np.asarray(vectors, np.float64) * present[:, None]), present)
    sides = ["train" if i % 2 else "test" for i in range(n)] if sides is None else sides
    names = tuple(f"class{label}" for label in labels)
    sources = tuple(f"{name}/v{i}.mp4" for i, name in enumerate(names))
    listed = tuple({name: side for name in splits if side} for side in sides)
    return Videos(sources, labels, names, tuple(groups) if groups is not None else ("",) * n, listed, parts)


def write_store(path, sources, vectors, model="raw", shards_fingerprint="y", **columns):
    """A store of clips with these vectors by name; `sources` names each row's video. All other columns have defaults."""
    n = len(sources)
    labels = np.asarray(columns.pop("label", [0] * n), np.int64)
    given = {
        "key": [f"{i:08d}-00000" for i in range(n)], "source": sources, "label": labels,
        "label_name": [f"class{label}" for label in labels], "group": [""] * n, "splits": ['{"1": "train"}'] * n,
        "start_seconds": np.arange(n, dtype=float), "end_seconds": np.arange(n) + 1.0,
        "has_video": np.ones(n, bool), "has_audio": np.ones(n, bool),
    } | columns  # fmt: skip
    write_part(path, Rows(**given, vectors=vectors), Provenance("x", {}, shards_fingerprint, "tiny", model))
    return EmbeddingStore(path)


CLASSES = ("Blink", "Slide", "Still")
GROUPS = 6
PARAMS = ShardParams(
    fps=16.0, short_side_px=32, segment_seconds=2.0, hop_length=500, win_length=1000, n_mels=16, sources_per_shard=5
)
TINY = {
    "name": "tiny",
    "data": {"frame_px": 32, "window_frames": 32, "batch_size": 4},
    "clip": {"n_frames": 4, "crop_px": 32, "speeds": [1, 2, 4], "eval_speed": 2},
    "model": {"video": "tiny", "audio": "tiny", "tiny_width": 4, "projection_hidden": 8, "projection_dim": 6},
}
"""A network of a few thousand weights."""


def _clip_frames(name, group):
    """1.5 s of 32x48 at 16 fps: a bright square on a background that belongs to the group."""
    rng = np.random.default_rng(group)
    frames = np.broadcast_to(rng.integers(0, 120, (1, 1, 1, 3)), (24, 32, 48, 3)).astype(np.uint8).copy()
    for t in range(24):
        if name != "Blink" or t % 8 < 4:
            x = t if name == "Slide" else 12
            frames[t, 8:24, x : x + 16] = 230
    return frames


@pytest.fixture(scope="session")
def ucf_folder(tmp_path_factory):
    """18 videos in UCF101's layout; split s tests on groups 2s-1 and 2s."""
    root = tmp_path_factory.mktemp("ucf")
    lists = root / "ucfTrainTestlist"
    lists.mkdir()
    (lists / "classInd.txt").write_text("".join(f"{i + 1} {name}\n" for i, name in enumerate(CLASSES)))
    for label, name in enumerate(CLASSES):
        (root / name).mkdir()
        for group in range(1, GROUPS + 1):
            stem = f"v_{name}_g{group:02d}_c01"
            sound = None if group == 2 else tone(1.5, 300 * 2**label + 7 * group)  # one a class is silent
            write_clip(root / name / f"{stem}.mp4", _clip_frames(name, group), 16, sound)
            for s in (1, 2, 3):
                side = "test" if 2 * s - 1 <= group <= 2 * s else "train"
                with (lists / f"{side}list{s:02d}.txt").open("a") as file:
                    file.write(f"{name}/{stem}.avi {label + 1}\n")
    return root


@pytest.fixture(scope="session")
def shards(ucf_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("shards") / "tiny"
    build(open_catalogue("ucf101", ucf_folder), out, PARAMS, executor=SerialExecutor())
    return out


AUDIO = ShardParams(
    media="audio", fps=10.0, segment_seconds=5.0, n_fft=512, win_length=400, hop_length=400, n_mels=32,
    sources_per_shard=7,
)  # fmt: skip


def build_esc50(root, names, n_folds, params=AUDIO):
    """A recording of each class in each fold, and their shards in root/shards."""
    write_esc50(root, names, n_folds, params.segment_seconds)
    build(open_catalogue("esc50", root), root / "shards", params, executor=SerialExecutor())
    return root


def save_tiny(path, seed=5, params=PARAMS, shards_fingerprint="", **changes):
    """A checkpoint of random encoders; not those that `untrained_encoders` makes from the same file."""
    config = check(Config, {**TINY, **changes}, "test")
    torch.manual_seed(seed)
    weights = {f"encoders.{k}": v for k, v in build_encoders(config.model).state_dict().items()}
    checkpoint = Checkpoint(
        step=3, seconds=1.0, config=config.as_dict(), shard_params=params.as_dict(),
        shards_fingerprint=shards_fingerprint, world_size=1, model=weights, bank={}, optimizer={}, loaders=[],
    )  # fmt: skip
    save_checkpoint(checkpoint, path)
    return path


@pytest.fixture(scope="session")
def make_checkpoint():
    return save_tiny


@pytest.fixture
def run_folder(tmp_path):
    """A run with a checkpoint."""
    save_tiny(tmp_path / "run" / "checkpoints" / LAST_NAME)
    return tmp_path / "run"
