"""Cosine similarity in float64, the same for equal rows wherever they lie."""

import numpy as np

from store.errors import SearchError

_EPSILON = float(np.finfo(np.float32).eps)


def unit(vectors: np.ndarray, what: str) -> np.ndarray:
    """Return float64 (n, d) of length 1; zeros stay zeros, so they are similar to nothing (0)."""
    if vectors.ndim != 2 or vectors.dtype.kind != "f":
        raise SearchError(None, f"{what} are {vectors.dtype} of shape {vectors.shape}", "give floats of shape (n, d)")
    vectors = vectors.astype(np.float64)
    length = np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
    if not np.isfinite(length).all() and not np.isfinite(vectors).all():
        raise SearchError(None, f"{what} hold NaN or infinity", "leave these rows out")
    vectors /= np.where(length > 0, length, 1)
    return vectors


def tolerance(n_dims: int) -> float:
    """Twice the worst rounding error of a float32 dot product of two unit vectors of this length, and of its input."""
    return (n_dims + 8) * _EPSILON


def similarity(query: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return float32 (n,) similarities of one query (d,) with rows (n, d), the same for equal rows anywhere."""
    return (rows * query).sum(axis=1).astype(np.float32)
