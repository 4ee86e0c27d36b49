"""The evolving feature space: a FIFO of past embeddings, and the extra positives and negatives drawn from it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from train.config import BankConfig
from train.spaces import Embeddings, Space, is_of_sound


@dataclass(frozen=True)
class BankSample:
    """Extra positives and negatives of N anchors, in the target space.

    Attributes:
        positives: (N, n_p, P); positive_mask (N, n_p) bool.
        negatives: (N, n_n, P); negative_mask (N, n_n) bool.
        purity: scalar, share of drawn positives with the anchor's label (labels serve this log only), nan if none.
    """

    positives: Tensor
    positive_mask: Tensor
    negatives: Tensor
    negative_mask: Tensor
    purity: Tensor


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
            self.entries(space)[slots] = embeddings.of(space)[last].detach().float()
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
        CVPR 2021, section 4). The anchor's own source is never drawn.

        Args:
            target: space of the entries to draw.
            positives: of the true positives' clips, N rows.
            source, label: (N,) int64.
            has_audio: (N,) bool; without sound the consensus falls back on the picture alone.
            generator: on the same device.
        """
        config, n = self.config, len(source)
        entries = self.entries(target)
        similarity = positives.of(target) @ entries.T  # (N, K)
        usable = (self.source >= 0)[None] & (self.source[None] != source[:, None])
        if is_of_sound(target):
            usable = usable & self.has_audio[None]
        ranking = similarity.masked_fill(~usable, -torch.inf)
        ranks = ranking.topk(config.negative_rank_high, dim=1)

        n_pos = config.n_positives if config.positives != "none" else 0
        by_rank = ranks if config.positives != "consensus" else self._consensus(target, positives, usable, has_audio)
        choice = _distinct(n, config.positive_ranks, n_pos, source.device, generator)
        positive_mask = by_rank.values.gather(1, choice) > -torch.inf
        positive_index = by_rank.indices.gather(1, choice)

        n_neg = config.n_negatives if config.negatives != "none" else 0
        width = config.negative_rank_high - config.negative_rank_low
        choice = config.negative_rank_low + _distinct(n, width, min(n_neg, width), source.device, generator)
        negative_mask = ranks.values.gather(1, choice) > -torch.inf
        negative_index = ranks.indices.gather(1, choice)

        same = (self.label[positive_index] == label[:, None]) & positive_mask
        purity = same.sum() / positive_mask.sum()
        return BankSample(entries[positive_index], positive_mask, entries[negative_index], negative_mask, purity)

    def entries(self, space: Space) -> Tensor:
        """Vectors (size, P) in a space; rows of empty entries are zeros."""
        entries: Tensor = getattr(self, space)
        return entries

    def _consensus(
        self, target: Space, positives: Embeddings, usable: Tensor, has_audio: Tensor
    ) -> torch.return_types.topk:
        picture: Space = "within_video" if target == "within_video" else "video"
        sound: Space = "within_audio" if target == "within_audio" else "audio"
        if picture in self.spaces and sound in self.spaces:
            by_video, by_audio = (positives.of(space) @ self.entries(space).T for space in (picture, sound))
            both = has_audio[:, None] & self.has_audio[None]
            agreed = torch.where(both, torch.minimum(by_video, by_audio), by_video)
        else:  # of one kind alone there is nothing to agree with
            agreed = positives.of(target) @ self.entries(target).T
        return agreed.masked_fill(~usable, -torch.inf).topk(self.config.positive_ranks, dim=1)


def _distinct(n: int, size: int, count: int, device: torch.device, generator: torch.Generator) -> Tensor:
    """(n, count) int64: each row holds distinct numbers below size, uniformly drawn."""
    if count == 0:
        return torch.zeros(n, 0, dtype=torch.long, device=device)
    return torch.rand(n, size, generator=generator, device=device).topk(count, dim=1).indices
