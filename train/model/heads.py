"""The trained model: encoders and the classifiers of the temporal tasks on their features."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from train.config.schema import Config
from train.model.encoders import build_encoders
from train.model.spaces import MODALITIES, SPACES, Embeddings, is_audio, used_spaces
from train.views.training_clips import TrainClips


@dataclass(frozen=True)
class Outputs:
    """The result of one forward pass; rows as in TrainClips (2B).

    Attributes:
        embeddings: in the contrastive spaces (2B, P).
        logits: per unitary task (2B, K), per pairwise task (B, 3), or (2B, 3) for the order of video and audio.
    """

    embeddings: Embeddings
    logits: dict[str, Tensor]


class Model(nn.Module):
    """Encoders, projections and heads behind one forward, as DDP needs it.

    Unitary heads read one clip's features (speed, direction), pairwise heads the concatenated features of two (order).
    A head whose term has weight 0 is not built. An encoder that no term reads is not computed: the statistics of its
    batch norms would drift. Parameters that no term reads are frozen, because DDP waits for the gradient of every other one.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.encoders = build_encoders(config.model)
        video, audio, hidden = self.encoders.video_dim, self.encoders.audio_dim, config.model.head_hidden
        shapes = {
            "speed_video": (video, len(config.clip.speeds)),
            "speed_audio": (audio, len(config.clip.speeds)),
            "direction_video": (video, 2),
            "direction_audio": (audio, 2),
            "order_video": (2 * video, 3),
            "order_audio": (2 * audio, 3),
            "order_video_audio": (video + audio, 3),
        }
        self.heads = nn.ModuleDict(
            {name: _mlp(d, hidden, k) for name, (d, k) in shapes.items() if getattr(config.loss, name) > 0}
        )
        self.channels_last = config.optim.channels_last
        self.spaces = used_spaces(config.loss)
        self.modalities = [name for name in MODALITIES if config.loss.terms_of(name)]
        self._freeze_unread()

    def _freeze_unread(self) -> None:
        for space in SPACES:
            self.encoders.get_submodule(f"{space}_projection").requires_grad_(space in self.spaces)
        for modality in MODALITIES:
            self.encoders.get_submodule(f"{modality}_net").requires_grad_(modality in self.modalities)

    def forward(self, clips: TrainClips) -> Outputs:
        """Features, projections and logits of both views."""
        vectors: Embeddings = {}
        inputs: dict[str, Tensor] = {}
        if clips.video is not None and "video" in self.modalities:
            layout = torch.channels_last_3d if self.channels_last else torch.contiguous_format
            features = inputs["video"] = self.encoders.video(clips.video.contiguous(memory_format=layout))
            vectors |= {s: self.encoders.project(s, features) for s in self.spaces if not is_audio(s)}
        if "audio" in self.modalities:
            inputs["audio"], heard = self._audio(clips)
            vectors |= heard
        return Outputs(vectors, self._logits(clips, **inputs))

    def _audio(self, clips: TrainClips) -> tuple[Tensor, Embeddings]:
        """Features and embeddings (2B, ...) with zeros where there is no audio.

        Rows without audio do not pass the network: they would distort its batch statistics.
        """
        rows = _heard_rows(clips, len(clips.has_audio))
        features = self.encoders.audio(clips.audio[rows])

        def spread(x: Tensor) -> Tensor:
            x = x * clips.has_audio[rows, None]
            return x.new_zeros(len(clips.has_audio), x.shape[1]).index_copy(0, rows, x)

        vectors = {s: spread(self.encoders.project(s, features)) for s in self.spaces if is_audio(s)}
        return spread(features), vectors

    def _logits(self, clips: TrainClips, **features: Tensor) -> dict[str, Tensor]:
        """Compute the logits of every head; heads that read audio get only the rows that have audio."""
        inputs: dict[str, Tensor] = {}
        for name, rows in features.items():
            inputs |= {f"speed_{name}": rows, f"direction_{name}": rows, f"order_{name}": torch.cat(rows.chunk(2), 1)}
        if len(features) == 2:
            (v0, v1), (a0, a1) = (features[name].chunk(2) for name in MODALITIES)
            # (v0, a1) and (v1, a0): the picture stands first in both.
            inputs["order_video_audio"] = torch.cat([torch.cat([v0, a1], 1), torch.cat([v1, a0], 1)])
        return {
            name: self._of_heard(head, inputs[name], clips) if "audio" in name else head(inputs[name])
            for name, head in self.heads.items()
        }

    @staticmethod
    def _of_heard(head: nn.Module, inputs: Tensor, clips: TrainClips) -> Tensor:
        """Logits (N, K) of inputs (N, D), zeros where there is no audio; a row a clip (2B), or a segment."""
        rows = _heard_rows(clips, len(inputs))
        logits = head(inputs[rows])
        return logits.new_zeros(len(inputs), logits.shape[1]).index_copy(0, rows, logits)


def _heard_rows(clips: TrainClips, n: int) -> Tensor:
    """Indices of those of the first n rows that have audio, or of all n if fewer than two segments have audio.

    The two views of one segment are no statistics for a batch norm. Rows without audio have no loss; they keep the graph
    the same on every rank.
    """
    has_audio = clips.has_audio[:n]
    if clips.n_heard < 2:
        return torch.arange(n, device=has_audio.device)
    # Not nonzero: its number of rows lies on the device, and a GPU would make the host wait for it.
    return (~has_audio).byte().argsort(stable=True)[: clips.n_heard * n // (len(clips.has_audio) // 2)]


def _mlp(d_in: int, hidden: int, d_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(d_in, hidden), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True), nn.Linear(hidden, d_out)
    )
