"""Cosine similarity in float64, the same for equal rows wherever they lie."""

import numpy as np

from store.errors import SearchError

_EPSILON = float(np.finfo(np.float32).eps)
_SAFE = 1e-12
"""Lengths between this and its inverse are exact enough in float32: their squares are far from its range's ends."""


def unit(vectors: np.ndarray, what: str) -> np.ndarray:
    """Return float64 (n, d) of length 1; zeros stay zeros, so they are similar to nothing (0)."""
    _refuse_other_kinds(vectors, what)
    vectors = vectors.astype(np.float64)
    length = np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
    if not np.isfinite(length).all() and not np.isfinite(vectors).all():
        raise SearchError(None, f"{what} hold NaN or infinity", "leave these rows out")
    vectors /= np.where(length > 0, length, 1)
    return vectors


def _refuse_other_kinds(vectors: np.ndarray, what: str) -> None:
    if vectors.ndim != 2 or vectors.dtype.kind != "f":
        raise SearchError(None, f"{what} are {vectors.dtype} of shape {vectors.shape}", "give floats of shape (n, d)")


def unit_float32(vectors: np.ndarray, what: str) -> np.ndarray:
    """Return `unit` as float32, with errors that `tolerance` allows, a few times as fast."""
    _refuse_other_kinds(vectors, what)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        single = vectors.astype(np.float32, copy=False)
        length = np.sqrt(np.einsum("nd,nd->n", single, single))
        units = single / length[:, None]
    odd = ~((length > _SAFE) & (length < 1 / _SAFE))
    if odd.any():  # zeros, what is not finite, and what is when squared as float64 only
        units[odd] = unit(vectors[odd], what)
    return units


def tolerance(n_dims: int) -> float:
    """Twice the worst rounding error of a float32 dot product of two vectors of this length, and of their lengths."""
    return (2 * n_dims + 8) * _EPSILON


def similarity(queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return float32 (q, m) similarities, the same for equal rows anywhere.

    Args:
        queries: float64 (q, d) of length 1.
        rows: floats (q, m, d) of any length, those to compare with each query.
    """
    rows = rows.astype(np.float64, copy=False)
    length = np.sqrt(np.einsum("qmd,qmd->qm", rows, rows))
    return (np.einsum("qmd,qd->qm", rows, queries) / np.where(length > 0, length, 1)).astype(np.float32)
