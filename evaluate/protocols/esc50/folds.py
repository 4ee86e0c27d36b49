"""ESC-50's protocol: five official folds and a linear SVM on frozen features, also for the ten classes of ESC-10.

Each fold is tested by an SVM that was fitted to the other four. Papers give the mean over folds (Piczak, "ESC: Dataset
for Environmental Sound Classification", ACM Multimedia 2015). For training, every L2-normalised clip of a recording is a
row. At test, the scores of a recording's clips are averaged. The cost is swept over 1e-5 to 1 as in CrissCross (Sarkar
and Etemad, AAAI 2023), but on the training folds alone: fitted to three of them, evaluated on the fourth. A recording
without audio counts, with a feature of zeros.

Mel cepstra are evaluated in the usual way: one vector a recording, each number scaled by the standard deviation of the
training side, and a logistic regression whose C is chosen on the training folds.
"""

import json
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

from evaluate.embedding.clip_encoders import ModelName
from evaluate.errors import EvaluateError, SplitError
from evaluate.protocols.bootstrap import TOP_1, Outcomes, to_results
from evaluate.protocols.coverage import part_read
from evaluate.protocols.linear_probe import fit_probe
from evaluate.protocols.video_features import l2_normalise
from evaluate.results.results import Result
from store.reader import EmbeddingStore
from train.data.subset import parse_split

FOLDS = ("1", "2", "3", "4", "5")
STRICT, TRANSDUCTIVE = "pretrained-strict", "pretrained-transductive"
SVM, LOGISTIC = "svm", "logistic"
COSTS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
ESC10 = frozenset({
    "dog", "rain", "sea_waves", "crying_baby", "clock_tick", "sneezing", "helicopter", "chainsaw", "rooster",
    "crackling_fire",
})  # fmt: skip
"""The classes of ESC-10, as column `esc10` of the official esc50.csv marks them."""
_MAX_ITERATIONS = 2_000


@dataclass(frozen=True)
class Recordings:
    """n recordings and the m clips that were cut from them.

    Attributes:
        labels: (n,) int64.
        label_names: (n,) names of the labels.
        folds: (n,) int64, 1 to 5.
        features: (m, d) float32; zeros for clips without audio.
        owner: (m,) int64, the recording of each clip.
    """

    labels: np.ndarray
    label_names: tuple[str, ...]
    folds: np.ndarray
    features: np.ndarray
    owner: np.ndarray

    def take(self, rows: np.ndarray) -> "Recordings":
        """Select recordings by mask (n,), with their clips."""
        number = np.cumsum(rows) - 1
        clips = rows[self.owner]
        return Recordings(
            self.labels[rows], tuple(np.array(self.label_names, object)[rows]), self.folds[rows],
            self.features[clips], number[self.owner[clips]],
        )  # fmt: skip

    def mean(self, rows: np.ndarray) -> np.ndarray:
        """Average the rows (m, k) of each recording's clips, (n, k) float64."""
        total = np.zeros((len(self.labels), rows.shape[1]))
        np.add.at(total, self.owner, rows)
        return total / np.bincount(self.owner, minlength=len(total))[:, None]


def load_recordings(store: EmbeddingStore, *, normalised: bool = True) -> Recordings:
    """Read the clips of every labelled recording that belongs to a fold.

    Raises:
        EvaluateError: the store holds no audio, or no recording with a label and a fold.
    """
    name = "audio/features"
    if name not in store.vector_names:
        raise EvaluateError(f"{store.path}: has no {name}; it holds {', '.join(store.vector_names)}")
    frame = store.frame()
    fold_of = {text: json.loads(text or "{}").get("fold", "") for text in frame["splits"].unique()}
    fold = frame["splits"].map(fold_of)
    listed = ((frame["label"] >= 0) & (fold != "")).to_numpy()
    if not listed.any():
        raise EvaluateError(f"{store.path}: no recording has a label and a fold; make the shards with --dataset esc50")
    first = frame[listed].drop_duplicates("source", keep="first")
    number = {source: row for row, source in enumerate(first["source"])}
    features = store.vectors(name)[listed]
    features = l2_normalise(features) if normalised else features
    features[~frame["has_audio"].to_numpy(bool)[listed]] = 0.0
    return Recordings(
        labels=first["label"].to_numpy(np.int64),
        label_names=tuple(first["label_name"]),
        folds=fold[first.index].astype(int).to_numpy(np.int64),
        features=features,
        owner=frame["source"][listed].map(number).to_numpy(np.int64),
    )


@dataclass(frozen=True)
class Contestant:
    """An evaluated model.

    Attributes:
        recordings: with its features.
        judge: classifier.
        folds: that it may be tested on, because its encoder has not seen them; empty for all.
    """

    recordings: Recordings
    judge: Literal["svm", "logistic"] = "svm"
    folds: tuple[int, ...] = ()


def evaluate(
    contestants: Iterable[tuple[str, Contestant]],
    test: str = "esc50",
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[Result, ...]:
    """Compute the accuracy of every model on every fold, for all classes and ESC-10's, then chance and means over folds.

    Args:
        contestants: name in the results, and the model; several of one name are tested on different folds.
        test: name of the data set in the results.
        progress: told the model, task and fold at work.

    Raises:
        SplitError: fewer than three folds, or a fold's training side has a single class.
    """
    outcomes = []
    for model, contestant in contestants:
        judge, every = contestant.judge, contestant.recordings
        ten = every.take(np.isin(np.array(every.label_names, object), list(ESC10)))
        for task, some in ((judge, every), (f"{judge}-esc10", ten)):
            try:
                folds = _folds(some)
            except SplitError:
                if some is every:
                    raise
                continue  # of a subset of ESC-50, the ten may have too few classes or folds
            for fold in folds:
                if contestant.folds and fold not in contestant.folds:
                    continue
                progress(f"{model}, {task}, fold {fold}")
                chance = 1 / len(np.unique(some.labels))
                hits = _JUDGES[judge](some, fold)
                outcomes.append(Outcomes(test, task, fold, "audio", model, TOP_1, hits, chance))
    return to_results(outcomes)


def _folds(recordings: Recordings) -> tuple[int, ...]:
    there = tuple(int(fold) for fold in np.unique(recordings.folds))
    if len(there) < 3:
        raise SplitError(f"{len(there)} folds are there; to test one and choose the cost on another needs three")
    for fold in there:
        if len(np.unique(recordings.labels[recordings.folds != fold])) < 2:
            raise SplitError(f"fold {fold}: the others hold a single class; nothing can be distinguished")
    return there


def fold_hits(recordings: Recordings, fold: int) -> np.ndarray:
    """Classify a fold by an SVM fitted to the others; return which recordings are correct, (n,) bool."""
    training = recordings.take(recordings.folds != fold)
    model = fit_svm(training, choose_cost(training))
    test = recordings.take(recordings.folds == fold)
    hits: np.ndarray = svm_labels(model, test) == test.labels
    return hits


def logistic_hits(recordings: Recordings, fold: int) -> np.ndarray:
    """Classify a fold by a logistic regression fitted to the others; return which recordings are correct, (n,) bool.

    Features are scaled by mean and standard deviation of the other folds.
    """
    features = recordings.mean(recordings.features)
    seen = recordings.folds != fold
    scaled = (features - features[seen].mean(axis=0)) / np.maximum(features[seen].std(axis=0), 1e-9)
    probe = fit_probe(scaled[seen], recordings.labels[seen], recordings.folds[seen].tolist())
    hits: np.ndarray = probe.predict(scaled[~seen]) == recordings.labels[~seen]
    return hits


def choose_cost(training: Recordings) -> float:
    """Fit to all training folds but the first; return the cost with the best accuracy on that one, the smallest of equals."""
    held = training.folds == training.folds.min()
    seen, queries = training.take(~held), training.take(held)
    accuracy = {cost: float(np.mean(svm_labels(fit_svm(seen, cost), queries) == queries.labels)) for cost in COSTS}
    return max(accuracy, key=lambda cost: (accuracy[cost], -cost))


def fit_svm(recordings: Recordings, cost: float) -> LinearSVC:
    """Fit one class against the rest for every class, on single clips."""
    model = LinearSVC(C=cost, dual="auto", max_iter=_MAX_ITERATIONS, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the accuracy settles long before the optimum is reached
        return model.fit(recordings.features, recordings.labels[recordings.owner])


def svm_labels(model: LinearSVC, recordings: Recordings) -> np.ndarray:
    """Labels (n,) int64: the class of the highest score, averaged over a recording's clips."""
    scores = model.decision_function(recordings.features)  # (m, c), or (m,) of the second of two classes
    scores = np.stack([-scores, scores], axis=1) if scores.ndim == 1 else scores
    labels: np.ndarray = model.classes_[np.argmax(recordings.mean(scores), axis=1)]
    return labels


_JUDGES: dict[str, Callable[[Recordings, int], np.ndarray]] = {SVM: fold_hits, LOGISTIC: logistic_hits}


def folds_read(checkpoint: Path, shards: Path) -> frozenset[str]:
    """Return the folds of these shards that pretraining has read, without labels; empty if it read other shards.

    Raises:
        SplitError: it read a part of these shards that is not a set of folds.
    """
    split = part_read(checkpoint, shards)
    if not split:
        return frozenset() if split is None else frozenset(FOLDS)
    name, parts = parse_split(split)
    if name != "fold":
        raise SplitError(f"{checkpoint}: was trained on split {split}; train it on folds: data.split=fold:2,3,4,5")
    return parts


def refuse_unfit_strict(main: Path, strict: Sequence[Path], shards: Path) -> None:
    """Check, from the checkpoints of a main run and its strict runs, that each fold is tested strictly once at most.

    Raises:
        EvaluateError: a strict run has read all folds or none of these shards, or two runs are tested on the same fold.
    """
    tested: dict[str, Path] = {}
    for checkpoint in (main, *strict):
        read = folds_read(checkpoint, shards)
        unseen = set(FOLDS) - read if read else set()
        if not unseen and checkpoint in strict:
            raise EvaluateError(
                f"{checkpoint}: is not of a strict run, it has read {'all' if read else 'no'} folds of {shards}; "
                "train one on some folds: data.split=fold:2,3,4,5"
            )
        for fold in sorted(unseen):
            if fold in tested:
                raise EvaluateError(
                    f"{checkpoint}: is tested on fold {fold}, and so is {tested[fold]}; give one of them"
                )
            tested[fold] = checkpoint


def contestants(checkpoint: Path, stores: Mapping[ModelName, Path], shards: Path) -> dict[str, Contestant]:
    """Return the models of a run, by name in the results, with the folds on which each may be tested.

    A run whose pretraining has read some folds is tested strictly, on the others. One that has read all of them, without
    labels, is called transductive. It has a row of its own, since its test data was not unseen.
    """
    read = folds_read(checkpoint, shards)
    found: dict[str, Contestant] = {}
    for model, path in stores.items():
        with EmbeddingStore(path) as store:
            recordings = load_recordings(store, normalised=model != "mfcc")
        if model == "mfcc":
            found[model] = Contestant(recordings, "logistic")
        elif model != "pretrained" or not read:
            found[model] = Contestant(recordings)
        elif read == frozenset(FOLDS):
            found[TRANSDUCTIVE] = Contestant(recordings)
        else:
            unseen = tuple(int(fold) for fold in FOLDS if fold not in read)
            found[STRICT] = Contestant(recordings, folds=unseen)
    return found
