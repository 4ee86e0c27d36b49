"""Who computes on which of the processor's cores while a query is answered: FAISS on all of them, NumPy on one."""

from contextlib import AbstractContextManager
from functools import cache
from typing import Any


def numpy_on_one() -> AbstractContextManager[Any]:
    """While held, products of matrices take one thread.

    A query's are small, and stand between searches. FAISS' threads and those of NumPy's library wait by spinning, each on
    cores that the others need: with as many of both as there are cores, a query took twice as long.
    """
    limit: AbstractContextManager[Any] = _libraries().limit(limits=1, user_api="blas")
    return limit


@cache
def _libraries() -> Any:
    """What is loaded, FAISS included; to look costs 4 ms."""
    import faiss  # noqa: F401 - so that it is found
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()
