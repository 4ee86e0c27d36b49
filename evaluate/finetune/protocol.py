"""Fine-tuning and test of every split and start."""

import json
from dataclasses import asdict
from pathlib import Path

from evaluate.errors import SplitError
from evaluate.finetune.testing import N_CLIPS, Predictions, Progress, predict
from evaluate.protocols.bootstrap import TOP_1, interval_of_shares
from evaluate.protocols.video_features import Videos, split_names, take_split, videos_of
from evaluate.results.results import Result
from preprocess.shards.manifest import read_segments, read_sources
from store.atomic_files import write_text
from train.data.loader import SQUARES
from train.data.subset import parse_split
from train.errors import writing
from train.finetune.config import FinetuneConfig
from train.finetune.model import Finetuned, load_finetuned
from train.finetune.trainer import Finetuner
from train.ranks.distributed import World
from train.run.checkpoint import LoadedEncoders

TASK = "finetune"
PREDICTIONS_NAME = "predictions.json"


def listed_videos(shards: Path) -> Videos:
    """Read the videos of a shard set and their splits, without any vectors."""
    return videos_of(read_segments(shards).drop_duplicates("source"), {})


def splits_of_shards(shards: Path, wanted: str) -> tuple[str, ...]:
    """Return the wanted splits ("1", "1,3" or "all").

    SplitError if there is none, if a side of it is empty, or its training side has a single class; GroupLeakError if a
    recording is on both sides.
    """
    videos = listed_videos(shards)
    known = split_names(videos)
    names = known if wanted == "all" else tuple(name.strip() for name in wanted.split(",") if name.strip())
    if (unknown := sorted(set(names) - set(known))) or not names:
        remedy = "make the shards with the official lists (python -m preprocess shards --splits)"
        problem = f"has no split {', '.join(unknown) or 'at all'}; it has {', '.join(known) or 'none'}"
        raise SplitError(f"{shards} {problem}: {remedy}")
    for name in names:
        take_split(videos, name)
    return names


def train_and_test(
    run: LoadedEncoders, config: FinetuneConfig, test: str, folder: Path, world: World, progress: Progress
) -> Result | None:
    """Fine-tune on one split and test, unless both are done; None if a signal stopped the training, which was saved.

    The folder gets checkpoints and predictions.json. `test` names the data set in the results. LabelError if the shards
    lack labels; RunError if the folder holds a fine-tuning with other settings.
    """
    encoder = run.encoders.video_net.state_dict() if config.init == "pretrained" else None
    finetuner = Finetuner(config, folder, world, encoder)
    path = folder / PREDICTIONS_NAME
    if world.is_main and not finetuner.checkpoint_path.exists():
        path.unlink(missing_ok=True)  # from weights that are gone; retraining may give others after as many steps
    if not finetuner.train():
        return None
    # Every rank reads the file: each has batch norm statistics of its own.
    finetuned = load_finetuned(finetuner.checkpoint_path, world.device)
    split, _ = parse_split(config.data.split)
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if (found.get("step"), found.get("clips")) == (finetuned.step, N_CLIPS):
        accuracy, n_videos = found[TOP_1], len(found["videos"])
    else:
        predictions = predict(finetuned, Path(config.data.shards), split, world, progress)
        accuracy, n_videos = predictions.accuracy, len(predictions.labels)
        if world.is_main:
            write_text(path, _described(predictions, finetuned), writing)
    ends = interval_of_shares([(accuracy, n_videos)])
    return Result(test, TASK, int(split), "video", config.init, TOP_1, accuracy, n_videos, *ends)


def _described(predictions: Predictions, finetuned: Finetuned) -> str:
    """Return the text of predictions.json: how the test was made, and each video's label and prediction."""
    shards = Path(finetuned.config.data.shards)
    sources = read_sources(shards)
    names = dict(zip(sources["source_index"], sources["source"], strict=True))
    rows = zip(
        *(each.tolist() for each in (predictions.source_index, predictions.labels, predictions.predicted)), strict=True
    )
    values = {
        "split": finetuned.config.data.split.partition(":")[0], "init": finetuned.config.init, "step": finetuned.step,
        "clips": N_CLIPS, "squares": list(SQUARES), "clip": asdict(finetuned.config.clip),
        "label_names": list(finetuned.label_names), TOP_1: predictions.accuracy,
        "videos": [{"source": names[source], "label": label, "predicted": said} for source, label, said in rows],
    }  # fmt: skip
    return json.dumps(values, indent=1) + "\n"
