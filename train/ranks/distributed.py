"""Everything that differs between one process and several that torchrun started."""

import math
import os
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from preprocess.errors import first_line
from train.errors import RunError

AnyModel = TypeVar("AnyModel", bound=nn.Module)

PATIENCE = timedelta(minutes=10)
"""How long a rank waits for the others before it gives up. In a healthy run the longest wait is for the main process,
which writes a checkpoint or evaluates the held-out segments. Gloo's own default is half an hour."""


@dataclass(frozen=True)
class World:
    """This process among its peers."""

    rank: int
    size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Tell whether this process writes the run's files."""
        return self.rank == 0


def join_world(device: str = "auto", patience: timedelta = PATIENCE) -> World:
    """Join the processes that torchrun started, or be the only one.

    Args:
        device: "cpu", "cuda", or "auto" for a GPU where there is one.
        patience: how long to wait for another rank, here and later.

    Raises:
        RunError: there is no GPU for this rank, or the others do not join.
    """
    kind = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    size = int(os.environ.get("WORLD_SIZE", "1"))
    local = int(os.environ.get("LOCAL_RANK", "0"))
    chosen = torch.device("cuda", local) if kind == "cuda" else torch.device(kind)
    if chosen.type == "cuda":
        if local >= torch.cuda.device_count():
            raise RunError(
                f"local rank {local} has no GPU: {torch.cuda.device_count()} here. Start one process a GPU "
                "(torchrun --nproc-per-node), or choose --device cpu"
            )
        torch.cuda.set_device(chosen)
    if size > 1 and not dist.is_initialized():
        try:
            # Flags and objects of the CPU go through gloo: nccl would make the host wait for the GPU in every step.
            backend = "cpu:gloo,cuda:nccl" if chosen.type == "cuda" else "gloo"
            dist.init_process_group(backend, timeout=patience)
        except dist.DistError as error:
            raise RunError(
                f"rank {os.environ.get('RANK')} of {size} cannot join the others: {first_line(error)}"
            ) from error
    return World(dist.get_rank() if size > 1 else 0, size, chosen)


def leave_world() -> None:
    """Close the process group, if there is one."""
    if dist.is_initialized():
        dist.destroy_process_group()


def gather(x: Tensor) -> Tensor:
    """Concatenate the rows of all ranks, in rank order; gradients flow back to the rank that made the row.

    Every rank must hold the same number of rows: (B, ...) to (world * B, ...).
    """
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return x
    rows: Tensor = _Gather.apply(x)
    return rows


class _Gather(torch.autograd.Function):
    """Every rank's loss may use rows of every rank: a row's gradient is the sum over the ranks' losses."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.n_rows = len(x)
        parts = [torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, x.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total.narrow(0, dist.get_rank() * ctx.n_rows, ctx.n_rows)


def mean_over_ranks(total: Tensor, count: Tensor) -> Tensor:
    """Divide by the count of all ranks, scaled so that DDP's averaging gives the mean over the joint batch.

    Each rank holds the sum of its own losses, and DDP averages gradients over W ranks: the share of this rank is
    W * total / sum of counts. Otherwise the rows of a rank with few valid ones would weigh too much.
    """
    count = count.detach().to(torch.float32, copy=True)  # summed in place below
    size = 1
    if dist.is_initialized():
        size = dist.get_world_size()
        dist.all_reduce(count)
    return total * size / count.clamp(min=1)


def average(values: dict[str, float]) -> dict[str, float]:
    """Average each value over the ranks, for the log; a rank's nan does not count."""
    ranks = gather_objects(values)
    means = {}
    for name in values:
        known = [each[name] for each in ranks if not math.isnan(each.get(name, math.nan))]
        means[name] = sum(known) / len(known) if known else math.nan
    return means


def gather_objects(value: Any) -> list[Any]:
    """Give the values of all ranks, in rank order, to every rank."""
    if not dist.is_initialized():
        return [value]
    gathered: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(gathered, value)
    return gathered


def any_rank(*, flag: bool) -> bool:
    """Tell whether any rank raised its flag."""
    if not dist.is_initialized():
        return flag
    raised = torch.tensor(int(flag))
    dist.all_reduce(raised, dist.ReduceOp.MAX)
    return bool(raised.item())


def with_joint_norms(model: AnyModel, world: World) -> AnyModel:
    """Make batch norms take the statistics of all ranks' rows; on GPUs only, as torch has no such norm for CPU ranks."""
    if world.size > 1 and world.device.type == "cuda":
        converted: AnyModel = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        return converted
    return model
