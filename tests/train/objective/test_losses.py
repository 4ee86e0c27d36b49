"""Each term against an independent slow version, and the laws it must obey."""

import math
from functools import partial

import pytest
import torch

from tests.train.objective import unit as single
from train.objective.losses import contrastive, masked_cross_entropy

unit = partial(single.unit, dtype=torch.float64)


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


def test_contrastive_equals_the_formula_with_masks_and_extras():
    generator = torch.Generator().manual_seed(1)
    anchor, positive, candidates = unit(5, 8, seed=2), unit(5, 8, seed=3), unit(9, 8, seed=4)
    extra_pos, extra_neg = unit(5, 3, 8, seed=5), unit(5, 4, 8, seed=6)
    masks = [torch.rand(5, k, generator=generator) < 0.7 for k in (9, 3, 4)]
    fast = contrastive(
        anchor, positive, candidates, masks[0], 0.2, extra_positives=extra_pos, extra_positive_mask=masks[1],
        extra_negatives=extra_neg, extra_negative_mask=masks[2],
    )  # fmt: skip
    exact = slow(anchor, positive, candidates, masks[0], 0.2, extra_pos, masks[1], extra_neg, masks[2])
    assert torch.allclose(fast, exact)


def no_extras(n, dim):
    none, mask = torch.zeros(n, 0, dim, dtype=torch.float64), torch.zeros(n, 0, dtype=torch.bool)
    return {"extra_positives": none, "extra_positive_mask": mask, "extra_negatives": none, "extra_negative_mask": mask}


def test_without_extras_it_is_infonce_as_cross_entropy_over_the_batch():
    z, y = unit(6, 8, seed=1), unit(6, 8, seed=2)
    loss = contrastive(z, y, y, ~torch.eye(6, dtype=torch.bool), 0.1, **no_extras(6, 8))
    reference = torch.nn.functional.cross_entropy(z @ y.T / 0.1, torch.arange(6), reduction="none")
    assert torch.allclose(loss, reference)


def test_an_anchor_without_negatives_costs_nothing_and_has_a_finite_gradient():
    z = unit(2, 4).requires_grad_()
    contrastive(z, z, z, torch.zeros(2, 2, dtype=torch.bool), 0.1, **no_extras(2, 4)).sum().backward()
    assert torch.isfinite(z.grad).all()
    assert z.grad.abs().max() == 0


def test_gradient_is_that_of_finite_differences():
    y, extra = unit(4, 6, seed=8), unit(4, 2, 6, seed=9)
    ones, mask = torch.ones(4, 2, dtype=torch.bool), ~torch.eye(4, dtype=torch.bool)
    extras = {
        "extra_positives": extra, "extra_positive_mask": ones, "extra_negatives": extra, "extra_negative_mask": ones,
    }  # fmt: skip
    anchors = unit(4, 6, seed=7).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: contrastive(x, y, y, mask, 0.3, **extras), anchors)


def test_cross_entropy_leaves_out_ignored_rows():
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [5.0, -5.0]])
    total, count, right = masked_cross_entropy(logits, torch.tensor([0, 0, -100]))
    assert total.item() == pytest.approx(math.log(1 + math.exp(-2)) + math.log(1 + math.e))
    assert (count.item(), right.item()) == (2, 1)
    assert masked_cross_entropy(logits, torch.full((3,), -100))[0].item() == 0
