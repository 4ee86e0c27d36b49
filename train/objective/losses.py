"""The terms of the objective as pure functions of tensors."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

_NEVER = -1e9
"""Similarity of masked pairs. Finite, because a row of infinities would give NaN gradients."""


@dataclass(frozen=True)
class Objective:
    """Losses of one step: the weighted total, each term unweighted, and measures for the log (accuracies, purity).

    A term is 0 where no row of the batch has it, such as audio's in a batch without any.
    """

    total: Tensor
    terms: dict[str, Tensor]
    measures: dict[str, Tensor]


def contrastive(
    anchor: Tensor, positive: Tensor, candidates: Tensor, negative_mask: Tensor, temperature: float,
    *, extra_positives: Tensor, extra_positive_mask: Tensor, extra_negatives: Tensor, extra_negative_mask: Tensor,
) -> Tensor:  # fmt: skip
    """Contrastive loss of each anchor over its positives P and negatives N.

    loss(x; P, N) = mean over p in P of -log( d(x, p) / ( d(x, p) + sum over n in N of d(x, n) ) ),
    d(x, y) = exp(x.y / temperature). P holds the true positive and the valid extra ones; N the masked-in candidates of
    the batch and the valid extra ones.

    Args:
        anchor, positive: (B, P) unit vectors.
        candidates: (M, P) unit vectors of the target modality, all ranks.
        negative_mask: (B, M) bool, true where the candidate is another source.
        temperature: above 0.
        extra_positives: (B, n_p, P), mask (B, n_p). extra_negatives: (B, n_n, P), mask (B, n_n).

    Returns:
        (B,) losses, 0 where an anchor has no negative at all.
    """
    true = (anchor * positive).sum(1, keepdim=True)  # (B, 1)
    extra = torch.einsum("bp,bkp->bk", anchor, extra_positives)
    positives = torch.cat([true, extra], 1) / temperature  # (B, 1 + n_p)
    positive_mask = F.pad(extra_positive_mask, (1, 0), value=True)

    batch = (anchor @ candidates.T).masked_fill(~negative_mask, _NEVER)
    hard = torch.einsum("bp,bkp->bk", anchor, extra_negatives).masked_fill(~extra_negative_mask, _NEVER)
    negatives = torch.cat([batch, hard], 1) / temperature
    # -log(p / (p + sum n)) = softplus(log sum n - log p); the loss of a row without negatives is 0.
    spread = torch.logsumexp(negatives, 1, keepdim=True)
    per_pair = F.softplus(spread - positives)
    return (per_pair * positive_mask).sum(1) / positive_mask.sum(1)


def masked_cross_entropy(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the sum of cross-entropies, the number of labelled rows and of right answers, without rows labelled IGNORE.

    Args:
        logits: (N, K).
        labels: (N,) int64 in [0, K) or IGNORE (-100).
    """
    valid = labels >= 0
    total = F.cross_entropy(logits.float(), labels, reduction="sum")
    right = (logits.argmax(1) == labels) & valid
    return total, valid.sum(), right.sum()
