"""Video and audio encoders with their projections: clips to features and to the contrastive space."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.config.schema import ModelConfig
from train.model.spaces import Space
from train.model.tiny_nets import TinyAudio, TinyVideo


class Encoders(nn.Module):
    """Both encoders and their projections; what is exported and what embeds.

    `video` and `audio` give features, `project_*` the L2-normalised embeddings in the contrastive spaces.
    """

    def __init__(self, video: nn.Module, audio: nn.Module, video_dim: int, audio_dim: int, config: ModelConfig) -> None:
        super().__init__()
        self.video_net, self.audio_net = video, audio
        self.video_dim, self.audio_dim = video_dim, audio_dim
        self.within_video_projection = _projection(video_dim, config)
        self.video_projection = _projection(video_dim, config)
        self.audio_projection = _projection(audio_dim, config)
        with torch.random.fork_rng(devices=()):  # later random numbers must not depend on it
            self.within_audio_projection = _projection(audio_dim, config)

    def channels_last(self) -> None:
        """Lay out the weights with channels last: convolutions take their layout from them, and run faster in it."""
        self.video_net.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.audio_net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def video(self, clips: Tensor) -> Tensor:
        """(B, 3, T, H, W) float, normalised, to features (B, video_dim)."""
        return self.video_net(clips)

    def audio(self, logmel: Tensor) -> Tensor:
        """(B, 1, n_mels, C) float, normalised, to features (B, audio_dim)."""
        return self.audio_net(logmel)

    def project(self, space: Space, features: Tensor) -> Tensor:
        """Features (B, D) of the space's modality to unit vectors (B, P) in it."""
        return F.normalize(getattr(self, f"{space}_projection")(features).float(), dim=1)

    def project_within_video(self, features: Tensor) -> Tensor:
        """(B, video_dim) to unit vectors (B, P), to compare with other video."""
        return self.project("within_video", features)

    def project_within_audio(self, features: Tensor) -> Tensor:
        """(B, audio_dim) to unit vectors (B, P), to compare with other audio."""
        return self.project("within_audio", features)

    def project_video(self, features: Tensor) -> Tensor:
        """(B, video_dim) to unit vectors (B, P), to compare with audio."""
        return self.project("video", features)

    def project_audio(self, features: Tensor) -> Tensor:
        """(B, audio_dim) to unit vectors (B, P), to compare with video."""
        return self.project("audio", features)


def _projection(dim: int, config: ModelConfig) -> nn.Sequential:
    """An MLP whose outputs are centred over the batch.

    The bank holds embeddings of past steps. Without centring, all new embeddings can move away from them together. That
    lowers the loss until all embeddings collapse to one point.
    """
    return nn.Sequential(
        nn.Linear(dim, config.projection_hidden),
        nn.BatchNorm1d(config.projection_hidden),
        nn.ReLU(inplace=True),
        nn.Linear(config.projection_hidden, config.projection_dim, bias=False),
        nn.BatchNorm1d(config.projection_dim, affine=False),
    )


class _FlatS3d(nn.Module):
    """S3D's features, pooled over whatever time and space are left: torchvision's own pooling expects 224 px."""

    def __init__(self, features: nn.Module) -> None:
        super().__init__()
        self.features = features

    def forward(self, clips: Tensor) -> Tensor:
        return self.features(clips).mean(dim=(2, 3, 4))


def _video(config: ModelConfig) -> tuple[nn.Module, int]:
    """Make the video network, and say how many features it gives."""
    if config.video == "tiny":
        tiny = TinyVideo(config.tiny_width)
        return tiny, tiny.feature_dim
    from torchvision.models import video as models

    if config.video == "s3d":
        return _FlatS3d(models.s3d().features), 1024
    net = models.r2plus1d_18() if config.video == "r2plus1d_18" else models.r3d_18()
    net.fc = nn.Identity()
    return net, 512


def _audio(config: ModelConfig) -> tuple[nn.Module, int]:
    """Make the audio network, and say how many features it gives."""
    if config.audio == "tiny":
        tiny = TinyAudio(config.tiny_width, config.tiny_audio_stride, config.tiny_audio_pool)
        return tiny, tiny.feature_dim
    from torchvision.models import resnet18

    net = resnet18()
    net.conv1 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    net.fc = nn.Identity()
    return net, 512


def build_encoders(config: ModelConfig) -> Encoders:
    """Build encoders with random weights from torch's global generator."""
    (video, video_dim), (audio, audio_dim) = _video(config), _audio(config)
    return Encoders(video, audio, video_dim, audio_dim, config)
