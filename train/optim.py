"""Optimiser and learning-rate schedule."""

import math
from typing import Any

import torch
from torch import nn

from train.config import OptimConfig

LR_FRACTION = "lr_fraction"
"""Key of a parameter group: its share of the schedule's learning rate; 1 where there is none."""


def build_optimizer(model: nn.Module, config: OptimConfig) -> torch.optim.AdamW:
    """AdamW on a whole model."""
    return adamw(parameter_groups(model, config), config)


def parameter_groups(module: nn.Module, config: OptimConfig) -> list[dict[str, Any]]:
    """A module's parameters in two groups; weights of one dimension (norms, biases) are not decayed."""
    matrices = [p for p in module.parameters() if p.ndim > 1]
    vectors = [p for p in module.parameters() if p.ndim <= 1]
    return [{"params": matrices, "weight_decay": config.weight_decay}, {"params": vectors, "weight_decay": 0.0}]


def adamw(groups: list[dict[str, Any]], config: OptimConfig) -> torch.optim.AdamW:
    """AdamW on parameter groups."""
    # One kernel for all parameters: three times faster than a loop over a small network's many small tensors.
    return torch.optim.AdamW(groups, lr=config.lr, fused=True)


def learning_rate(config: OptimConfig, step: int, total_steps: int) -> float:
    """Linear warm-up, then half a cosine down to final_lr_fraction of the peak."""
    warm = min(1.0, (step + 1) / max(1, config.warmup_steps))
    progress = min(1.0, max(0.0, (step - config.warmup_steps) / max(1, total_steps - config.warmup_steps)))
    cosine = 0.5 * (1 + math.cos(math.pi * progress))
    return config.lr * warm * (config.final_lr_fraction + (1 - config.final_lr_fraction) * cosine)
