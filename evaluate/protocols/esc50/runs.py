"""Which folds of ESC-50 an encoder may be tested on: what its pretraining heard decides, as its checkpoint tells."""

from collections.abc import Mapping
from pathlib import Path

from evaluate.embedding.clip_encoders import ModelName
from evaluate.errors import SplitError
from evaluate.protocols.coverage import part_read
from evaluate.protocols.esc50.folds import Contestant, load_recordings
from store.reader import EmbeddingStore
from train.data.subset import parse_split

FOLDS = ("1", "2", "3", "4", "5")
PRETRAINED = "pretrained"
STRICT, TRANSDUCTIVE = "pretrained-strict", "pretrained-transductive"


def heard_folds(checkpoint: Path, shards: Path) -> frozenset[str]:
    """Folds of these shards that a run's pretraining heard, without labels; none where it learnt from other shards.

    Raises:
        SplitError: it learnt from a part of these shards that is no fold.
    """
    split = part_read(checkpoint, shards)
    if not split:
        return frozenset() if split is None else frozenset(FOLDS)
    name, parts = parse_split(split)
    if name != "fold":
        raise SplitError(f"{checkpoint}: was trained on split {split}; train it on folds: data.split=fold:2,3,4,5")
    return parts


def contestants(checkpoint: Path, stores: Mapping[ModelName, Path], shards: Path) -> dict[str, Contestant]:
    """The models of a run by their names in the results, each with the folds that it may be tested on.

    A run that has heard some of the folds is tested strictly, on the others. One that has heard all of them, without
    labels, is called transductive: a row of its own, never to be compared as if the test had been unseen.
    """
    heard = heard_folds(checkpoint, shards)
    found: dict[str, Contestant] = {}
    for model, path in stores.items():
        with EmbeddingStore(path) as store:
            recordings = load_recordings(store, normalised=model != "mfcc")
        if model == "mfcc":
            found[model] = Contestant(recordings, "logistic")
        elif model != PRETRAINED or not heard:
            found[model] = Contestant(recordings)
        elif heard == frozenset(FOLDS):
            found[TRANSDUCTIVE] = Contestant(recordings)
        else:
            unheard = tuple(int(fold) for fold in FOLDS if fold not in heard)
            found[STRICT] = Contestant(recordings, folds=unheard)
    return found
