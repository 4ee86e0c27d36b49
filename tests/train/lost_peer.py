"""One of two ranks where the second dies, hangs or fails; says what the first sees."""

import os
import sys
import time
from datetime import timedelta

import torch
from torch.distributed import TCPStore

from train.errors import RunError
from train.ranks.distributed import World, any_rank, join_world, leave_world
from train.ranks.rank_errors import fail_on_all_ranks, naming_lost_peers

PATIENCE_SECONDS = 5


def fail(world: World) -> None:
    if world.rank == 1:
        raise RunError("its disk is full")


def _meet() -> None:
    """Wait until both ranks are there: on a busy machine one may load torch longer than the patience to be tried."""
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    store = TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False)
    store.set(f"loaded-{rank}", "")
    store.wait([f"loaded-{each}" for each in range(size)])


def main(fate: str) -> None:
    """What befalls rank 1: dies, hangs, or fails."""
    _meet()
    world = join_world("cpu", timedelta(seconds=60 if fate != "hangs" else PATIENCE_SECONDS))
    any_rank(flag=False)
    if world.rank == 1 and fate == "dies":
        os._exit(9)
    if world.rank == 1 and fate == "hangs":
        time.sleep(2 * PATIENCE_SECONDS)
        os._exit(9)
    since = time.monotonic()
    try:
        with naming_lost_peers(), fail_on_all_ranks():
            fail(world)
    except RunError as error:
        sys.stderr.write(f"{time.monotonic() - since:.1f} {error}\n")
    leave_world()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1])
