"""The objective: every named term with its weight, from one forward pass, the plan and the bank."""

from dataclasses import dataclass

import torch
from torch import Tensor

from preprocess.schema import SEGMENTS_PER_SOURCE_LIMIT
from train.config.schema import Config
from train.model.heads import Outputs
from train.model.spaces import Space, is_audio
from train.objective.bank import Bank, BankSample
from train.objective.losses import Objective, contrastive, masked_cross_entropy
from train.plans.plan import Plan
from train.plans.temporal_labels import temporal_labels
from train.ranks.distributed import gather, mean_over_ranks


@dataclass(frozen=True)
class Segments:
    """Facts about the batch, each (B,): segment_id and label int64, has_audio bool."""

    segment_id: Tensor
    label: Tensor
    has_audio: Tensor

    @property
    def source(self) -> Tensor:
        """(B,) int64, the video that each segment was cut from."""
        return self.segment_id // SEGMENTS_PER_SOURCE_LIMIT


def compute_objective(
    outputs: Outputs, plan: Plan, segments: Segments, bank: Bank, config: Config, *, use_bank: bool,
    generator: torch.Generator,
) -> Objective:  # fmt: skip
    """Compute all terms with a weight above 0 on this batch.

    Args:
        outputs: of the batch's two views.
        plan: the plan of the views.
        segments: facts about the batch.
        bank: past embeddings; only read.
        config: weights and bank rules.
        use_bank: false during warm-up.
        generator: for drawing from the bank.
    """
    terms, measures = _temporal(outputs, plan, segments.has_audio)
    contrast = _Contrast(outputs, segments, bank, config, use_bank, generator)
    if config.loss.video_video > 0:
        terms["video_video"] = contrast.between(("within_video", 0), ("within_video", 1), measures)
    if config.loss.video_audio > 0:
        sides = [contrast.between(("video", k), ("audio", k), measures) for k in (0, 1)]
        terms["video_audio"] = torch.stack(sides).mean()
    if config.loss.audio_audio > 0:
        terms["audio_audio"] = contrast.between(("within_audio", 0), ("within_audio", 1), measures)
    total = torch.stack([getattr(config.loss, name) * value for name, value in terms.items()]).sum()
    return Objective(total, terms, measures)


def _temporal(outputs: Outputs, plan: Plan, has_audio: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    labels = temporal_labels(plan, has_audio)
    terms, measures = {}, {}
    for name, logits in outputs.logits.items():
        total, count, right = masked_cross_entropy(logits, labels[name])
        terms[name] = mean_over_ranks(total, count)
        measures[f"accuracy/{name}"] = right / count
    return terms, measures


class _Contrast:
    """The contrastive terms of one step, with everything that both directions and all pairs share."""

    def __init__(
        self, outputs: Outputs, segments: Segments, bank: Bank, config: Config, use_bank: bool,  # noqa: FBT001
        generator: torch.Generator,
    ) -> None:  # fmt: skip
        self.embeddings = outputs.embeddings
        # Once: both directions add their gradients to the same two rows of views.
        self.views = {space: vectors.chunk(2) for space, vectors in outputs.embeddings.items()}
        self.samples: dict[Space, BankSample] = {}
        self.segments, self.bank, self.config = segments, bank, config
        self.use_bank, self.generator = use_bank, generator
        self.source = segments.source
        self.all_sources, self.all_heard = gather(self.source), gather(segments.has_audio)

    def between(self, x: tuple[Space, int], y: tuple[Space, int], measures: dict[str, Tensor]) -> Tensor:
        """Mean of the losses x -> y and y -> x over the anchors that have both."""
        needs_sound = is_audio(x[0]) or is_audio(y[0])
        valid = self.segments.has_audio if needs_sound else torch.ones_like(self.segments.has_audio)
        losses = self._one_way(x, y, measures) + self._one_way(y, x, measures)
        return mean_over_ranks((losses * valid).sum() / 2, valid.sum())

    def _one_way(self, x: tuple[Space, int], y: tuple[Space, int], measures: dict[str, Tensor]) -> Tensor:
        anchor, positive = self.views[x[0]][x[1]], self.views[y[0]][y[1]]
        mask = self.source[:, None] != self.all_sources[None]
        if is_audio(y[0]):
            mask = mask & self.all_heard[None]
        drawn = self._drawn(y[0])
        if self.use_bank and drawn.positives.shape[1]:
            measures[f"purity/{y[0]}"] = drawn.purity
        drawn = drawn.view(y[1])
        return contrastive(
            anchor, positive, gather(positive), mask, self.config.loss.temperature,
            extra_positives=drawn.positives, extra_positive_mask=drawn.positive_mask,
            extra_negatives=drawn.negatives, extra_negative_mask=drawn.negative_mask,
        )  # fmt: skip

    def _drawn(self, space: Space) -> BankSample:
        """Draw for the clips of both views at once: larger calls make better use of the cores."""
        if space not in self.samples:
            self.samples[space] = self._draw(space)
        return self.samples[space]

    def _draw(self, space: Space) -> BankSample:
        positives = {name: vectors.detach() for name, vectors in self.embeddings.items()}
        if not self.use_bank:
            like = positives[space]
            none = like.new_zeros(len(like), 0, like.shape[1])
            mask = torch.zeros(len(like), 0, dtype=torch.bool, device=like.device)
            return BankSample(none, mask, none, mask, like.new_full((), float("nan")))
        source, label, has_audio = (x.repeat(2) for x in (self.source, self.segments.label, self.segments.has_audio))
        return self.bank.draw(space, positives, source, label, has_audio, self.generator)
