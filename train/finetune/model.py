"""The fine-tuned network: a video encoder and a linear classifier on its features."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from train.config.load import check
from train.errors import CheckpointError
from train.finetune.config import FinetuneConfig
from train.model.encoders import build_encoders
from train.run.checkpoint import TrainingState, read_state


@dataclass(frozen=True)
class FinetuneCheckpoint(TrainingState):
    """The whole state of a fine-tuning.

    Attributes:
        label_names: of the classes, in the order of the classifier's outputs.
    """

    FORMAT: ClassVar[tuple[str, int]] = ("avtempo-finetuned", 1)

    label_names: list[str]


class Classifier(nn.Module):
    """Clips to one logit per class."""

    def __init__(self, config: FinetuneConfig, n_classes: int) -> None:
        super().__init__()
        encoders = build_encoders(config.model)
        self.video_net = encoders.video_net
        self.dropout = nn.Dropout(config.head.dropout)
        self.linear = nn.Linear(encoders.video_dim, n_classes)
        self.layout = torch.channels_last_3d if config.optim.channels_last else torch.contiguous_format
        self.video_net.to(memory_format=self.layout)  # type: ignore[call-overload]

    def forward(self, clips: Tensor) -> Tensor:
        """(B, 3, T, H, W) float, normalised, to logits (B, n_classes)."""
        features = self.video_net(clips.contiguous(memory_format=self.layout))
        return self.linear(self.dropout(features))


@dataclass(frozen=True)
class Finetuned:
    """A fine-tuned classifier in eval mode, and where it comes from."""

    classifier: Classifier
    config: FinetuneConfig
    label_names: tuple[str, ...]
    step: int


def load_finetuned(path: Path, device: torch.device | str = "cpu") -> Finetuned:
    """Load the classifier of a fine-tuning's checkpoint, in eval mode.

    Raises:
        CheckpointError: missing, damaged, of another kind, or weights that do not fit their own configuration.
    """
    saved = read_state(FinetuneCheckpoint, path)
    config = check(FinetuneConfig, saved.config, str(path))
    classifier = Classifier(config, len(saved.label_names))
    try:
        classifier.load_state_dict(saved.model)
    except RuntimeError as error:
        raise CheckpointError(f"{path}: weights do not fit their own configuration ({error})") from error
    return Finetuned(classifier.to(device).eval(), config, tuple(saved.label_names), saved.step)
