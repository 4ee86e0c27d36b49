"""Who computes on which of the processor's cores: torch leaves some to the decoder while both have work."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def reserve_cores_for_loader(n_cores: int, device: torch.device) -> Iterator[None]:
    """While held, torch computes with so many threads fewer on a CPU, with one at least; on a GPU nothing changes.

    As soon as a batch is drawn the loader decodes the next, while the trainer augments this one in many short operations.
    Each waits for the slowest of torch's threads, and that is the one whose core the decoder has: sharing the work out
    takes longer than not to.
    """
    before = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(max(1, before - n_cores))
    try:
        yield
    finally:
        torch.set_num_threads(before)
