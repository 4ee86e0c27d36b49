"""Optimiser and learning-rate schedule."""

import math
from typing import Any

import torch
from torch import nn

from train.config.schema import OptimConfig

LR_FRACTION = "lr_fraction"
"""Key of a parameter group: its share of the schedule's learning rate, 1 by default."""


def parameter_groups(module: nn.Module, config: OptimConfig) -> list[dict[str, Any]]:
    """Put a module's parameters in two groups; those of one dimension (norms, biases) have no weight decay."""
    matrices = [p for p in module.parameters() if p.ndim > 1]
    vectors = [p for p in module.parameters() if p.ndim <= 1]
    return [{"params": matrices, "weight_decay": config.weight_decay}, {"params": vectors, "weight_decay": 0.0}]


def adamw(groups: list[dict[str, Any]], config: OptimConfig) -> torch.optim.AdamW:
    """Make AdamW for parameter groups; fused: three times faster on a small network's many small tensors."""
    return torch.optim.AdamW(groups, lr=config.lr, fused=True)


def load_moments(optimizer: torch.optim.Optimizer, saved: dict[str, Any]) -> None:
    """Restore AdamW's moments from its saved state; the file cannot change the options of the optimiser.

    Raises:
        ValueError: the saved options differ from the optimiser's, or the state is not the moments of its parameters.
    """
    own = _options(optimizer)
    optimizer.load_state_dict(saved)
    if _options(optimizer) != own:
        raise ValueError("its optimiser has other options")
    for parameter, moments in optimizer.state.items():
        if set(moments) != {"step", "exp_avg", "exp_avg_sq"} or not all(map(torch.is_tensor, moments.values())):
            raise ValueError("the state of its optimiser is not AdamW's")
        if any(moments[name].shape != parameter.shape for name in ("exp_avg", "exp_avg_sq")):
            raise ValueError("its optimiser's moments have other shapes than the parameters")


def _options(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """Give each parameter group's options, without the learning rate, which every step sets."""
    return [{name: group[name] for name in group if name not in {"params", "lr"}} for group in optimizer.param_groups]


def learning_rate(config: OptimConfig, step: int, total_steps: int) -> float:
    """Warm up linearly, then follow half a cosine down to final_lr_fraction of the peak."""
    warm = min(1.0, (step + 1) / max(1, config.warmup_steps))
    progress = min(1.0, max(0.0, (step - config.warmup_steps) / max(1, total_steps - config.warmup_steps)))
    cosine = 0.5 * (1 + math.cos(math.pi * progress))
    return config.lr * warm * (config.final_lr_fraction + (1 - config.final_lr_fraction) * cosine)
