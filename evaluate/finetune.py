"""The fine-tuning protocol: trained end to end on the training side, 10 clips x 3 crops a video on the test side.

Ten clips evenly spaced over every segment of a test video, and of each three squares along the frame's longer side, as
high as its shorter one: left, centre and right, or top, middle and bottom. The classifier's probabilities are averaged
over all of them (the source of the protocol is in docs/protocols.md).
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from evaluate.errors import SplitError
from evaluate.results import Result, mean_over_splits, merge_results
from evaluate.videos import refuse_leak
from preprocess.manifest import read_segments, read_sources
from preprocess.schema import SEGMENTS_PER_SOURCE_LIMIT
from train.checkpoint import LoadedEncoders
from train.distributed import World, gather_objects
from train.files import write_whole
from train.finetune.config import FinetuneConfig, Init
from train.finetune.labels import refuse_unlabelled
from train.finetune.model import Finetuned, load_finetuned
from train.finetune.trainer import Finetuner
from train.loader import SQUARES, LoaderConfig, iterate_once
from train.peers import naming_lost_peers, together
from train.subset import parse_split, read_info
from train.views import eval_clips

TASK, METRIC = "finetune", "top-1"
N_CLIPS = 10
PREDICTIONS_NAME = "predictions.json"

Progress = Callable[[int, int], None]
"""Told how much is done, and of how much."""

Sums = dict[int, tuple[int, np.ndarray]]
"""Source -> label, and the sum of its probabilities (n_classes,) float64."""


@dataclass(frozen=True)
class Predictions:
    """What a classifier says of the test videos of a split, n of them.

    Attributes:
        source_index: (n,) int64, rising.
        labels: (n,) int64, the truth.
        probabilities: (n, n_classes) float64, means over segments, clips and squares.
    """

    source_index: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray

    @property
    def predicted(self) -> np.ndarray:
        """(n,) int64."""
        return self.probabilities.argmax(1)

    @property
    def accuracy(self) -> float:
        """Share of the videos whose most probable class is theirs."""
        return float(np.mean(self.predicted == self.labels))


def splits_of_shards(shards: Path, wanted: str) -> tuple[str, ...]:
    """The splits asked for, "1", "1,3" or "all", each with videos on both sides and no recording on both.

    Raises:
        SplitError: the shards have no such split, or a side of it is empty.
        GroupLeakError: a recording stands on both sides.
    """
    segments = read_segments(shards)
    splits = [json.loads(text or "{}") for text in segments["splits"]]
    known = sorted({name for each in splits for name in each if name.isdigit()}, key=int)
    names = known if wanted == "all" else [name.strip() for name in wanted.split(",") if name.strip()]
    unknown = sorted(set(names) - set(known))
    if unknown or not names:
        raise SplitError(
            f"{shards} has no split {', '.join(unknown) or 'at all'}; it has {', '.join(known) or 'none'}: make the "
            "shards with the official lists (python -m preprocess shards --splits)"
        )
    labels, groups = segments["label"].to_numpy(), segments["group"].fillna("").to_numpy()
    label_names = dict(zip(labels.tolist(), segments["label_name"], strict=True))
    for name in names:
        of_side = [np.array([each.get(name) == side for each in splits]) for side in ("train", "test")]
        if not all(side.any() for side in of_side):
            raise SplitError(f"{shards}: split {name} needs videos on both sides; were all of the list preprocessed?")
        train, test = ((labels[side], groups[side]) for side in of_side)
        refuse_leak(name, train, test, label_names)
    return tuple(names)


def predict(
    finetuned: Finetuned, shards: Path, split: str, world: World, *, progress: Progress = lambda *_: None
) -> Predictions:
    """Test a fine-tuned classifier on the test side of a split; of several ranks each takes its share.

    Args:
        finetuned: in eval mode, on the world's device.
        shards: folder of the shards.
        split: its number.
        world: this process among its peers.
        progress: told the segments done.

    Raises:
        LabelError: a test video has no label.
        LoaderError: the shards cannot be read.
    """
    with naming_lost_peers():
        with together():
            refuse_unlabelled(shards, f"{split}:test")
            sums = _sums(finetuned, shards, split, world, progress)
        return _joined(gather_objects(sums))


@torch.no_grad()
def _sums(finetuned: Finetuned, shards: Path, split: str, world: World, progress: Progress) -> Sums:
    """What this rank's share of the test segments adds up to."""
    config, clip = finetuned.config, finetuned.config.clip.for_test()
    segments = read_segments(shards)
    loader = LoaderConfig(
        shards=str(shards), split=f"{split}:test", shuffle=False, seed=0, frame_px=clip.crop_px,
        window_frames=max(int(segments["n_frames"].max()), config.clip.span_frames),
        batch_size=max(1, config.data.batch_size // N_CLIPS),  # about as many clips at once as in a training step
        num_threads=config.data.num_threads, rank=world.rank, world_size=world.size,
    )  # fmt: skip
    columns = read_info(shards).params.columns_per_frame
    n_test = sum(json.loads(text or "{}").get(split) == "test" for text in segments["splits"])
    sums: Sums = {}
    done = 0
    for square in SQUARES:
        for batch in iterate_once(replace(loader, square=square), world.device):
            clips = eval_clips(batch, clip, n_clips=N_CLIPS, speed=clip.eval_speed, columns_per_frame=columns)
            with torch.autocast(world.device.type, torch.bfloat16, enabled=config.optim.precision == "bf16"):
                logits = finetuned.classifier(clips.video)
            probabilities = logits.double().softmax(1).unflatten(0, (len(batch), N_CLIPS)).mean(1).cpu().numpy()
            source = (batch.segment_id // SEGMENTS_PER_SOURCE_LIMIT).tolist()
            _add(sums, zip(source, batch.label.tolist(), probabilities, strict=True))
            done += len(batch)
            progress(done * world.size, len(SQUARES) * n_test)
    return sums


def _add(sums: Sums, rows: Iterable[tuple[int, int, np.ndarray]]) -> None:
    """Add up probabilities by video."""
    for source, label, probabilities in rows:
        before = sums[source][1] if source in sums else 0.0
        sums[source] = (label, before + probabilities)


def _joined(parts: Sequence[Any]) -> Predictions:
    """Predictions from the sums of all ranks."""
    sums: Sums = {}
    for part in parts:
        _add(sums, ((source, label, total) for source, (label, total) in part.items()))
    sources = sorted(sums)
    totals = np.stack([sums[source][1] for source in sources])
    return Predictions(
        source_index=np.array(sources, np.int64),
        labels=np.array([sums[source][0] for source in sources], np.int64),
        probabilities=totals / totals.sum(1, keepdims=True),
    )


def train_and_test(
    run: LoadedEncoders, config: FinetuneConfig, folder: Path, world: World, *, progress: Progress = lambda *_: None
) -> Predictions | None:
    """Fine-tune on one split, resuming what is there, then test; None if a signal stopped it, after it was saved.

    Args:
        run: the pretrained encoders.
        config: of this fine-tuning.
        folder: where it lies; predictions.json in it says what was predicted.
        world: this process among its peers.
        progress: told the segments tested.

    Raises:
        LabelError: the shards lack labels.
        RunError: the folder holds a fine-tuning with other settings.
    """
    encoder = run.encoders.video_net.state_dict() if config.init == "pretrained" else None
    finetuner = Finetuner(config, folder, world, encoder)
    if not finetuner.train():
        return None
    # From the file, on every rank: batch norm has kept statistics of its own on each.
    finetuned = load_finetuned(finetuner.checkpoint_path, world.device)
    split, _ = parse_split(config.data.split)
    predictions = predict(finetuned, Path(config.data.shards), split, world, progress=progress)
    if world.is_main:
        write_whole(folder / PREDICTIONS_NAME, _described(predictions, finetuned))
    return predictions


def _described(predictions: Predictions, finetuned: Finetuned) -> str:
    """predictions.json: how it was tested, and each video's label and prediction."""
    shards = Path(finetuned.config.data.shards)
    sources = read_sources(shards)
    names = dict(zip(sources["source_index"], sources["source"], strict=True))
    rows = zip(
        predictions.source_index.tolist(), predictions.labels.tolist(), predictions.predicted.tolist(), strict=True
    )
    values = {
        "split": finetuned.config.data.split.partition(":")[0], "init": finetuned.config.init, "step": finetuned.step,
        "clips": N_CLIPS, "squares": list(SQUARES), "clip": asdict(finetuned.config.clip),
        "label_names": list(finetuned.label_names), METRIC: predictions.accuracy,
        "videos": [{"source": names[source], "label": label, "predicted": said} for source, label, said in rows],
    }  # fmt: skip
    return json.dumps(values, indent=1) + "\n"


def as_results(
    test: str, found: Mapping[tuple[str, Init], Predictions], before: Iterable[Result] = ()
) -> tuple[Result, ...]:
    """A record for every (split, start), and for each start the mean over the splits.

    Args:
        test: name of the dataset in the results.
        found: predictions by (split, start).
        before: records that are there already; the mean is over their splits too.
    """
    new = [
        Result(test, TASK, int(split), "video", init, METRIC, each.accuracy, len(each.labels))
        for (split, init), each in found.items()
    ]
    inits = {init for _, init in found}
    known = [r for r in before if (r.test, r.task) == (test, TASK) and r.split is not None and r.model in inits]
    measured = merge_results(known, new)
    return (*measured, *mean_over_splits(measured))
