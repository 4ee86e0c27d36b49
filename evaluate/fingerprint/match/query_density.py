"""The hops of a query hold several descriptors each: which are searched, and each hop's best."""

import math

import numpy as np

SEARCHED = 16
"""Least number of descriptors of a window that are searched. In a long window one per hop finds the candidates; all are used
for alignment."""


def first_of_hops(start_seconds: np.ndarray, hop_seconds: float) -> np.ndarray:
    """Return the first descriptor of each hop, int64 (h,), of descriptors that start at (q,) seconds."""
    hops = np.floor((start_seconds - start_seconds[0]) / hop_seconds + 1e-6)
    return np.flatnonzero(np.diff(hops, prepend=-1))


def searched_of_hops(firsts: np.ndarray, n: int) -> np.ndarray:
    """Choose which of n descriptors are searched, int64, ascending: equally many per hop, at positions that vary.

    So some lie near a descriptor of the reference, wherever in the reference the query begins.

    Args:
        firsts: the first descriptor of each hop.
        n: number of descriptors.
    """
    sizes = np.diff(firsts, append=n)
    hop = np.repeat(np.arange(len(firsts)), sizes)
    period = np.maximum(1, sizes // math.ceil(SEARCHED / len(firsts)))[hop]
    return np.flatnonzero((np.arange(n) - firsts[hop] + hop) % period == 0)


def best_of_hops(values: np.ndarray, firsts: np.ndarray) -> np.ndarray:
    """Return each hop's maximum of the values (q, r), (h, r); several times as fast as np.maximum.reduceat.

    Args:
        values: a row for each descriptor.
        firsts: the first descriptor of each hop.
    """
    sizes = np.diff(firsts, append=len(values))
    best: np.ndarray = values[firsts]
    for step in range(1, int(sizes.max())):
        np.maximum(best, values[firsts + np.minimum(step, sizes - 1)], out=best)
    return best
