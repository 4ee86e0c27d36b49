"""When one rank fails: the others end too, soon, and say why."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch.distributed as dist

from train.errors import RunError, TrainError
from train.ranks.distributed import gather_objects, gist


@contextmanager
def fail_on_all_ranks() -> Iterator[None]:
    """What is done here succeeds on every rank or fails on every rank; no rank leaves before the last is through.

    Raises:
        TrainError: this rank's own error, or a RunError that quotes the first of the others'.
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
    """Say it plainly when another rank has died or hangs.

    Raises:
        RunError: a collective broke off or waited longer than the patience of `join_world`.
    """
    try:
        yield
    except RuntimeError as error:  # gloo's errors have no type of their own, but name gloo's source file
        if not dist.is_initialized() or not (isinstance(error, dist.DistError) or "gloo" in str(error)):
            raise
        raise RunError(
            f"rank {dist.get_rank()} lost another rank ({gist(error)}): what that one said tells why. Start again: the "
            "run goes on from its last checkpoint"
        ) from error
