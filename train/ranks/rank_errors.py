"""When one rank fails, the others end soon too, and their error says why."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch.distributed as dist

from preprocess.errors import first_line
from train.errors import RunError, TrainError
from train.ranks.distributed import gather_objects


@contextmanager
def fail_on_all_ranks() -> Iterator[None]:
    """Make the block succeed on every rank or fail on every rank; no rank leaves it before the last one.

    Raises:
        TrainError: this rank's own error, or a RunError that quotes the first error of another rank.
    """
    own: TrainError | None = None
    try:
        yield
    except TrainError as error:
        own = error
    failures = gather_objects(None if own is None else str(own))
    if own is not None:
        raise own
    for rank, failure in enumerate(failures):
        if failure is not None:
            raise RunError(f"stopped with rank {rank}, which says: {failure}")


@contextmanager
def naming_lost_peers() -> Iterator[None]:
    """Turn torch's error about a rank that has died or hangs into a plain one.

    Raises:
        RunError: a collective broke off, or waited longer than the patience of `join_world`.
    """
    try:
        yield
    except RuntimeError as error:  # gloo's errors have no type of their own, but they name gloo's source file
        if not dist.is_initialized() or not (isinstance(error, dist.DistError) or "gloo" in str(error)):
            raise
        raise RunError(
            f"rank {dist.get_rank()} lost another rank ({first_line(error)}): that rank's own message says why. Start again: "
            "the run continues from its last checkpoint"
        ) from error
