"""Each term against an independent slow version, and the laws it must obey."""

import math
from functools import partial

import pytest
import torch

from tests.train import conftest
from train.objective.losses import contrastive, masked_cross_entropy

unit = partial(conftest.unit, dtype=torch.float64)


def slow(anchor, positive, candidates, mask, tau, extra_pos, pos_mask, extra_neg, neg_mask):
    losses = []
    for i in range(len(anchor)):
        d = lambda y: math.exp(float(anchor[i] @ y) / tau)  # noqa: B023, E731
        positives = [positive[i]] + [p for p, m in zip(extra_pos[i], pos_mask[i], strict=True) if m]
        negatives = [c for c, m in zip(candidates, mask[i], strict=True) if m]
        negatives += [c for c, m in zip(extra_neg[i], neg_mask[i], strict=True) if m]
        spread = sum(d(n) for n in negatives)
        losses.append(sum(-math.log(d(p) / (d(p) + spread)) for p in positives) / len(positives))
    return torch.tensor(losses, dtype=torch.float64)


def test_contrastive_equals_the_formula_with_masks_and_extras_and_so_does_its_gradient():
    generator = torch.Generator().manual_seed(1)
    anchor, positive, candidates = unit(5, 8, seed=2), unit(5, 8, seed=3), unit(9, 8, seed=4)
    extra_pos, extra_neg = unit(5, 3, 8, seed=5), unit(5, 4, 8, seed=6)
    masks = [torch.rand(5, k, generator=generator) < 0.7 for k in (9, 3, 4)]

    def fast(anchor):
        return contrastive(
            anchor, positive, candidates, masks[0], 0.2, extra_positives=extra_pos, extra_positive_mask=masks[1],
            extra_negatives=extra_neg, extra_negative_mask=masks[2],
        )  # fmt: skip

    exact = slow(anchor, positive, candidates, masks[0], 0.2, extra_pos, masks[1], extra_neg, masks[2])
    assert torch.allclose(fast(anchor), exact)
    assert torch.autograd.gradcheck(fast, anchor.requires_grad_())


def test_an_anchor_without_negatives_costs_nothing_and_has_a_finite_gradient():
    z, none, mask = unit(2, 4).requires_grad_(), torch.zeros(2, 0, 4).double(), torch.zeros(2, 0, dtype=torch.bool)
    contrastive(
        z, z, z, torch.zeros(2, 2, dtype=torch.bool), 0.1, extra_positives=none, extra_positive_mask=mask,
        extra_negatives=none, extra_negative_mask=mask,
    ).sum().backward()  # fmt: skip
    assert torch.isfinite(z.grad).all()
    assert z.grad.abs().max() == 0


def test_cross_entropy_leaves_out_ignored_rows():
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [5.0, -5.0]])
    total, count, right = masked_cross_entropy(logits, torch.tensor([0, 0, -100]))
    assert total.item() == pytest.approx(math.log(1 + math.exp(-2)) + math.log(1 + math.e))
    assert (count.item(), right.item()) == (2, 1)
    assert masked_cross_entropy(logits, torch.full((3,), -100))[0].item() == 0
