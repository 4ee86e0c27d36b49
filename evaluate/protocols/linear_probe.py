"""Linear probe: a logistic regression on frozen features.

Features are L2-normalised, one vector a video. They are centred and scaled to a mean square length of 1 over the
training side, because the spread of features differs tenfold between encoders and one grid of C must suit all. C, the
inverse regularisation, is swept on the training side alone, in folds that keep a group (clips of one recording)
together. Then the probe is fitted to the whole training side.
"""

import logging
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

logger = logging.getLogger(__name__)

C_GRID = (0.1, 1.0, 10.0, 100.0, 1000.0)
N_FOLDS = 3
_TOLERANCE = 1e-4
_MAX_ITERATIONS = 200
_SMALL = 2_000_000
"""Features with fewer numbers are fitted by one thread; more threads are slower, above all on a busy machine."""


@dataclass(frozen=True)
class Probe:
    """A fitted probe.

    Attributes:
        c: the chosen inverse regularisation of the scaled features.
        fold_accuracy: accuracy on held-out training folds of every C tried; empty where no fold could be made.
    """

    c: float
    fold_accuracy: dict[float, float]
    basis: "_Basis"
    model: LogisticRegression

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Labels (n,) int64 of features (n, d)."""
        predicted: np.ndarray = self.model.predict(self.basis.apply(features))
        return predicted


def fit_probe(
    features: np.ndarray,
    labels: np.ndarray,
    groups: Sequence[object],
    grid: Sequence[float] = C_GRID,
) -> Probe:
    """Choose C by group-wise folds of these rows and fit to all of them.

    Args:
        features: (n, d) training features.
        labels: (n,) int64, at least two different ones.
        groups: (n,) recordings; a fold never divides one.
        grid: values of C; the smallest of equally good ones is chosen.
    """
    features = features.astype(np.float64)  # in float32 Newton's line search ends in rounding errors
    with threadpool_limits(1 if features.size < _SMALL else None):
        basis = _Basis.of(features)
        rotated = basis.apply(features)
        folds = group_folds(labels, groups, N_FOLDS)
        fold_accuracy = _sweep(rotated, labels, folds, sorted(grid))
        tried = fold_accuracy or dict.fromkeys(sorted(grid)[len(grid) // 2 :], 0.0)
        chosen = max(tried, key=lambda c: (tried[c], -c))
        (model,) = _fit_path(rotated, labels, (chosen,))
    return Probe(chosen, fold_accuracy, basis, model)


@dataclass(frozen=True)
class _Basis:
    """The features' centre and scale, and axes in which the fit is cheaper.

    The penalty is a Euclidean norm, so rotating into the span of the rows (at most n of d axes) does not change the
    fitted map: 1,536 raw pixels of 400 videos become 400 numbers.
    """

    mean: np.ndarray  # (d,)
    rotation: np.ndarray  # (d, r)
    scale: float

    @classmethod
    def of(cls, features: np.ndarray) -> "_Basis":
        mean = features.mean(axis=0)
        centred = features - mean
        scale = 1.0 / max(float(np.sqrt((centred**2).sum(axis=1).mean())), 1e-12)
        if features.shape[1] <= features.shape[0]:
            return cls(mean, np.eye(features.shape[1]), scale)
        _, singular, rows = np.linalg.svd(centred, full_matrices=False)
        rank = max(1, int((singular > singular[0] * 1e-10).sum()))
        return cls(mean, rows[:rank].T, scale)

    def apply(self, features: np.ndarray) -> np.ndarray:
        rotated: np.ndarray = (features - self.mean) @ self.rotation * self.scale
        return rotated


def _sweep(
    features: np.ndarray,
    labels: np.ndarray,
    folds: Iterable[tuple[np.ndarray, np.ndarray]],
    grid: Sequence[float],
) -> dict[float, float]:
    """Return the accuracy on held-out folds by C, a fraction; empty where the groups do not allow two folds."""
    correct = dict.fromkeys(grid, 0)
    held_out = 0
    for train, test in folds:
        if len(np.unique(labels[train])) < 2:
            continue
        held_out += len(test)
        for c, model in zip(grid, _fit_path(features[train], labels[train], grid), strict=True):
            correct[c] += int((model.predict(features[test]) == labels[test]).sum())
    if not held_out:
        logger.warning("the training groups allow no folds: C is not swept")
        return {}
    return {c: count / held_out for c, count in correct.items()}


def group_folds(labels: np.ndarray, groups: Sequence[object], n_folds: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (train, test) rows of folds that keep a group together and classes balanced; none below two groups."""
    names = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    numbers = np.array([names[group] for group in groups])
    n_folds = min(n_folds, len(names), int(np.unique(labels, return_counts=True)[1].max()))
    if n_folds < 2:
        return
    with warnings.catch_warnings():  # classes with fewer videos than folds are allowed
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        folds = list(StratifiedGroupKFold(n_folds).split(np.zeros((len(labels), 1)), labels, numbers))
    yield from ((train, test) for train, test in folds if len(train) and len(test))


def _fit_path(features: np.ndarray, labels: np.ndarray, grid: Sequence[float]) -> Iterator[LogisticRegression]:
    """Fit a model for every C, each started from the previous one.

    Newton's method with conjugate gradients: measured at 420 videos, 12 classes and 64 to 420 numbers each, it reaches
    a gradient of 1e-6 in 5-30 ms, L-BFGS in 6-60 ms.
    """
    model = LogisticRegression(solver="newton-cg", tol=_TOLERANCE, max_iter=_MAX_ITERATIONS, warm_start=True)
    for c in grid:
        model.set_params(C=c)
        with warnings.catch_warnings():  # on separable classes, rounding stops the last steps of a finished fit
            warnings.filterwarnings("ignore", message=".*[Ll]ine search.*")
            warnings.filterwarnings("ignore", message=".*newton-cg failed to converge.*")
            model.fit(features, labels)
        yield model
