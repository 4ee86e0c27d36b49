"""ESC-50's protocol: five official folds, a linear SVM on frozen features, the ten classes of ESC-10 as well.

Each fold is tested once by an SVM that has seen the other four; the mean over folds is the number that papers give
(Piczak, "ESC: Dataset for Environmental Sound Classification", ACM Multimedia 2015). Features are L2-normalised clips of a
recording, each a row for training; at test the scores of a recording's clips are averaged (multi-crop). The cost is
swept over 1e-5 to 1 as in CrissCross (Sarkar and Etemad, AAAI 2023), here on training folds alone: on one of the
four, by SVMs that have seen the other three. Every recording counts: one without sound has a feature of zeros.

Mel cepstra are judged as those who use them do: one vector a recording, every number scaled to the training side's
spread, and a logistic regression whose C is chosen by the training folds.
"""

import json
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from evaluate.errors import EvaluateError, SplitError
from evaluate.protocols.bootstrap import TOP_1, Outcomes, to_results
from evaluate.protocols.linear_probe import fit_probe
from evaluate.protocols.video_features import l2_normalise
from evaluate.results.results import Result

if TYPE_CHECKING:
    from store.reader import EmbeddingStore

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
        features: (m, d) float32; zeros for clips without sound.
        owner: (m,) int64, the recording that each clip is of.
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


def load_recordings(store: "EmbeddingStore", *, normalised: bool = True) -> Recordings:
    """Read the clips of every labelled recording that belongs to a fold, L2-normalised unless told otherwise.

    Raises:
        EvaluateError: the store holds no sound, or no recording with a label and a fold.
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
    """What is judged.

    Attributes:
        recordings: with their features.
        judge: by what.
        folds: that it may be tested on, none of which its encoder has seen; empty for all.
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
    """Accuracy of every model on every fold, of all classes and of ESC-10's, then chance and the means over folds.

    Args:
        contestants: name in the results, and what is judged; several of one name are tested on folds of their own.
        test: name of the data set in the results.
        progress: told what is being worked on.

    Raises:
        SplitError: fewer than three folds, or a fold's training side has a single class.
    """
    outcomes = []
    for model, contestant in contestants:
        judge = contestant.judge
        for task, some in ((judge, contestant.recordings), (f"{judge}-esc10", of_esc10(contestant.recordings))):
            if not len(some.labels):
                continue
            for fold in _folds(some):
                if contestant.folds and fold not in contestant.folds:
                    continue
                progress(f"{model}, {task}, fold {fold}")
                chance = 1 / len(np.unique(some.labels))
                hits = _JUDGES[judge](some, fold)
                outcomes.append(Outcomes(test, task, fold, "audio", model, TOP_1, hits, chance))
    return to_results(outcomes)


def of_esc10(recordings: Recordings) -> Recordings:
    """Select the recordings of ESC-10's classes."""
    return recordings.take(np.isin(np.array(recordings.label_names, object), list(ESC10)))


def _folds(recordings: Recordings) -> tuple[int, ...]:
    there = tuple(int(fold) for fold in np.unique(recordings.folds))
    if len(there) < 3:
        raise SplitError(f"{len(there)} folds are there; to test one and choose the cost on another needs three")
    for fold in there:
        if len(np.unique(recordings.labels[recordings.folds != fold])) < 2:
            raise SplitError(f"fold {fold}: the others hold a single class; nothing can be told apart")
    return there


def fold_hits(recordings: Recordings, fold: int) -> np.ndarray:
    """Tell which recordings of a fold an SVM names rightly that has seen the others, (n,) bool; cost chosen among them."""
    training = recordings.take(recordings.folds != fold)
    fitted = fit_svm(training, choose_cost(training))
    test = recordings.take(recordings.folds == fold)
    hits: np.ndarray = fitted.predict(test) == test.labels
    return hits


def logistic_hits(recordings: Recordings, fold: int) -> np.ndarray:
    """Which of a fold's n recordings, (n,) bool, a logistic regression names right that has seen the others.

    Each feature is scaled by the others' mean and spread.
    """
    counts = np.bincount(recordings.owner, minlength=len(recordings.labels))
    total = np.zeros((len(counts), recordings.features.shape[1]))
    np.add.at(total, recordings.owner, recordings.features)
    features = total / counts[:, None]
    seen = recordings.folds != fold
    scaled = (features - features[seen].mean(axis=0)) / np.maximum(features[seen].std(axis=0), 1e-9)
    probe = fit_probe(scaled[seen], recordings.labels[seen], recordings.folds[seen].tolist())
    hits: np.ndarray = probe.predict(scaled[~seen]) == recordings.labels[~seen]
    return hits


def choose_cost(training: Recordings) -> float:
    """Cost of the best accuracy on the training side's first fold after fitting to its others; the smallest of equals."""
    held = training.folds == training.folds.min()
    seen, asked = training.take(~held), training.take(held)
    accuracy = {cost: float(np.mean(fit_svm(seen, cost).predict(asked) == asked.labels)) for cost in COSTS}
    return max(accuracy, key=lambda cost: (accuracy[cost], -cost))


@dataclass(frozen=True)
class Svm:
    """One linear score a class: classes (c,) int64, weights (c, d), bias (c,)."""

    classes: np.ndarray
    weights: np.ndarray
    bias: np.ndarray

    def predict(self, recordings: Recordings) -> np.ndarray:
        """Labels (n,) int64: the class of the highest score, averaged over a recording's clips."""
        scores = recordings.features @ self.weights.T + self.bias  # (m, c)
        total = np.zeros((len(recordings.labels), len(self.classes)))
        np.add.at(total, recordings.owner, scores)
        counts = np.bincount(recordings.owner, minlength=len(total))
        labels: np.ndarray = self.classes[np.argmax(total / counts[:, None], axis=1)]
        return labels


def fit_svm(recordings: Recordings, cost: float) -> Svm:
    """Fit one class against the rest for every class, on single clips."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    model = LinearSVC(C=cost, dual="auto", max_iter=_MAX_ITERATIONS, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the accuracy settles long before the optimum is reached
        model.fit(recordings.features, recordings.labels[recordings.owner])
    weights, bias = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # scikit-learn keeps the second class's row alone
        weights, bias = np.concatenate([-weights, weights]), np.concatenate([-bias, bias])
    return Svm(model.classes_.astype(np.int64), weights, bias)


_JUDGES: dict[str, Callable[[Recordings, int], np.ndarray]] = {SVM: fold_hits, LOGISTIC: logistic_hits}
