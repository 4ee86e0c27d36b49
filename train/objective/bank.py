"""The evolving feature space: a FIFO of past embeddings, and the extra positives and negatives drawn from it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from train.config.schema import BankConfig
from train.model.spaces import Embeddings, Space, is_audio


@dataclass(frozen=True)
class BankSample:
    """Extra positives and negatives of N anchors, in the target space.

    Attributes:
        positives: (N, n_p, P); positive_mask (N, n_p) bool.
        negatives: (N, n_n, P); negative_mask (N, n_n) bool.
        purity: scalar, share of the drawn positives of known label with the anchor's (labels serve this log only), of anchors
            that have a loss; nan if none.
    """

    positives: Tensor
    positive_mask: Tensor
    negatives: Tensor
    negative_mask: Tensor
    purity: Tensor

    def view(self, number: int) -> "BankSample":
        """Select the anchors of one view out of 2B, rows as in TrainClips; the purity stays that of both views."""
        return BankSample(
            self.positives.chunk(2)[number], self.positive_mask.chunk(2)[number],
            self.negatives.chunk(2)[number], self.negative_mask.chunk(2)[number], self.purity,
        )  # fmt: skip


class Bank(nn.Module):
    """Past embeddings in the spaces that are used, with the source they came from; entries with source -1 are empty.

    Kept as buffers, named after the spaces, so that a checkpoint holds it.
    """

    source: Tensor
    label: Tensor
    has_audio: Tensor
    cursor: Tensor

    def __init__(self, config: BankConfig, dim: int, spaces: Sequence[Space]) -> None:
        super().__init__()
        self.config, self.spaces = config, tuple(spaces)
        for space in self.spaces:
            self.register_buffer(space, torch.zeros(config.size, dim))
        self.register_buffer("source", torch.full((config.size,), -1))
        self.register_buffer("label", torch.full((config.size,), -1))
        self.register_buffer("has_audio", torch.zeros(config.size, dtype=torch.bool))
        self.register_buffer("cursor", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def push(self, embeddings: Embeddings, source: Tensor, label: Tensor, has_audio: Tensor) -> None:
        """Add M entries, overwriting the oldest; of more than the bank holds, the last. Source, label, has_audio (M,)."""
        last = slice(-self.config.size, None)
        source, label, has_audio = source[last], label[last], has_audio[last]
        slots = (self.cursor + torch.arange(len(source), device=source.device)) % self.config.size
        for space in self.spaces:
            self.entries(space)[slots] = embeddings[space][last].detach().float()
        self.source[slots] = source
        self.label[slots] = label
        self.has_audio[slots] = has_audio
        self.cursor.add_(len(source))

    @torch.no_grad()
    def draw(
        self, target: Space, positives: Embeddings, source: Tensor, label: Tensor, has_audio: Tensor,
        generator: torch.Generator,
    ) -> BankSample:  # fmt: skip
        """Draw for anchors whose true positives are the given embeddings in the target space.

        The bank is ranked by similarity to the true positive ("nearest"), or by the smaller of video and audio
        similarity ("consensus": Morgado et al., "Audio-Visual Instance Discrimination with Cross-Modal Agreement",
        CVPR 2021, section 4). Negatives come from a range of ranks, or from all entries (as in AVID, section 3 of the
        same), as many wherever so many are usable. The anchor's own source is never drawn, and no entry is both.

        Args:
            target: space of the entries to draw.
            positives: of the true positives' clips, N rows.
            source, label: (N,) int64.
            has_audio: (N,) bool; without audio the consensus falls back on the video alone.
            generator: on the same device.
        """
        config, entries = self.config, self.entries(target)
        similarity = positives[target] @ entries.T  # (N, K)
        usable = (self.source >= 0)[None] & (self.source[None] != source[:, None])
        if is_audio(target):
            usable = usable & self.has_audio[None]
        ranking = similarity.masked_fill(~usable, -torch.inf)

        n_pos = config.n_positives if config.positives != "none" else 0
        agreed = ranking
        if config.positives == "consensus":
            agreed = self._consensus(target, positives, has_audio).masked_fill(~usable, -torch.inf)
        nearest = agreed.topk(config.positive_ranks if n_pos else 0, dim=1, sorted=False)
        positive_index, positive_mask = _pick(nearest.values, nearest.indices, n_pos, generator)

        n_neg = config.n_negatives if config.negatives != "none" else 0
        if config.negatives == "random":  # of what is usable: of all entries, fewer would be left where many are silent
            is_drawn = torch.zeros_like(usable).scatter_(1, positive_index, positive_mask)
            order = torch.rand(ranking.shape, generator=generator, device=ranking.device)
            chosen = order.masked_fill(is_drawn | ~usable, -1).topk(min(n_neg, config.size), dim=1, sorted=False)
            negative_index, negative_mask = chosen.indices, chosen.values >= 0
        else:
            ranks = (config.negative_rank_low, config.negative_rank_high) if n_neg else (0, 0)
            negative_index, negative_mask = _pick(*_ranks(ranking, *ranks), n_neg, generator)
            if config.positives == "consensus":  # its ranks may be those of the negatives
                negative_mask &= (negative_index[:, :, None] != positive_index[:, None]).all(2)

        has_loss = has_audio | (target == "within_video")
        known = positive_mask & (self.label[positive_index] >= 0) & (label >= 0)[:, None] & has_loss[:, None]
        purity = (known & (self.label[positive_index] == label[:, None])).sum() / known.sum()
        return BankSample(
            _rows(entries, positive_index), positive_mask, _rows(entries, negative_index), negative_mask, purity
        )

    def entries(self, space: Space) -> Tensor:
        """Vectors (size, P) in a space; rows of empty entries are zeros."""
        entries: Tensor = getattr(self, space)
        return entries

    def _consensus(self, target: Space, positives: Embeddings, has_audio: Tensor) -> Tensor:
        """Similarity (N, size) on which video and audio agree."""
        video: Space = "within_video" if target == "within_video" else "video"
        audio: Space = "within_audio" if target == "within_audio" else "audio"
        if video in self.spaces and audio in self.spaces:
            by_video, by_audio = (positives[space] @ self.entries(space).T for space in (video, audio))
            agreed = torch.minimum(by_video, by_audio).masked_fill(~self.has_audio, -torch.inf)
            return torch.where(has_audio[:, None], agreed, by_video)
        # One modality alone has nothing to agree with.
        return positives[target] @ self.entries(target).T


def _ranks(ranking: Tensor, low: int, high: int) -> tuple[Tensor, Tensor]:
    """Values and indices of the ranks [low, high) of each row, (N, high - low) each, in any order.

    Two selections, no sort: the order does not matter, and sorting would take most of the objective's time.
    """
    best = ranking.topk(high, dim=1, sorted=False)
    if low == 0:
        return best.values, best.indices
    far = best.values.topk(high - low, dim=1, largest=False, sorted=False)
    return far.values, best.indices.gather(1, far.indices)


def _pick(values: Tensor, indices: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw up to `count` distinct ones of each row's (N, K): their indices, and whether each is a real entry."""
    n, size = values.shape
    choice = _distinct(n, size, min(count, size), values.device, generator)
    return indices.gather(1, choice), values.gather(1, choice) > -torch.inf


def _rows(entries: Tensor, index: Tensor) -> Tensor:
    """Entries (size, P) at (N, k): (N, k, P). Copies whole rows; indexing by a matrix takes five times as long."""
    return entries.index_select(0, index.flatten()).unflatten(0, index.shape)


def _distinct(n: int, size: int, count: int, device: torch.device, generator: torch.Generator) -> Tensor:
    """(n, count) int64: each row holds distinct numbers below size, uniformly drawn, in any order."""
    if count == 0:
        return torch.zeros(n, 0, dtype=torch.long, device=device)
    return torch.rand(n, size, generator=generator, device=device).topk(count, dim=1, sorted=False).indices
