"""The small encoders for CPUs, and their blocks."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Factored3d(nn.Module):
    """A (2+1)D convolution: over space, then over time.

    Source: Tran et al., "A Closer Look at Spatiotemporal Convolutions", CVPR 2018, section 3.5; here with the output
    width between the two, which a small network can afford.
    """

    def __init__(
        self, c_in: int, c_out: int, *, stride_space: int = 1, stride_time: int = 1, kernel_px: int = 3
    ) -> None:
        super().__init__()
        self.space = nn.Conv3d(
            c_in, c_out, (1, kernel_px, kernel_px), (1, stride_space, stride_space),
            (0, kernel_px // 2, kernel_px // 2), bias=False,
        )  # fmt: skip
        self.norm_space = nn.BatchNorm3d(c_out)
        self.time = nn.Conv3d(c_out, c_out, (3, 1, 1), (stride_time, 1, 1), (1, 0, 0), bias=False)
        self.norm_time = nn.BatchNorm3d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) to (B, C', T', H', W')."""
        x = F.relu(self.norm_space(self.space(x)), inplace=True)
        return self.norm_time(self.time(x))


class Residual(nn.Module):
    """A convolution with a shortcut, which is projected where the shape changes."""

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Add body and shortcut; both give the same shape."""
        return F.relu(self.body(x) + self.shortcut(x), inplace=True)


class Pointwise2d(nn.Conv2d):
    """nn.Conv2d with 1x1 kernels; with few channels the stride is applied to the input by slicing.

    With few channels, channels last and a stride above 1, oneDNN's backward pass writes beyond its memory, which gives
    wrong gradients and crashes (oneDNN, issue 6035: fewer channels than a block of its kernels; 3.12, in torch 2.14).
    With more channels slicing would only cost time.
    """

    BLOCK_CHANNELS = 16
    """Channels per block of oneDNN's kernels: 8 with AVX2, 16 with AVX-512."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', ceil(H / stride), ceil(W / stride))."""
        if self.in_channels >= self.BLOCK_CHANNELS:
            return super().forward(x)
        rows, columns = self.stride
        return F.conv2d(x[:, :, ::rows, ::columns], self.weight, self.bias)


def _pool(x: Tensor) -> Tensor:
    """Mean and largest value of the places (B, C, T, places), averaged over time: (B, 2 * C).

    What moves or sounds fills a small part of a clip; in the mean alone its surroundings drown it.
    """
    return torch.cat([x.mean(dim=(2, 3)), x.amax(dim=3).mean(dim=2)], 1)


def _standardise(dim: int) -> nn.Module:
    """Give every feature mean 0 and spread 1 over the training clips: (B, dim) to the same.

    Pooled ReLUs share a large mean, beside which the cosine of two clips hardly sees where they differ.
    """
    return nn.BatchNorm1d(dim, affine=False)


class TinyVideo(nn.Module):
    """A small R(2+1)D for CPUs: (B, 3, T, H, W) to (B, 16 * width).

    The 7x7 stem of stride 4 makes a step 4x cheaper than one of stride 2; time is halved only in the last two stages, so
    that motion between neighbouring frames is seen before it is averaged.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.stem = Factored3d(3, width, stride_space=4, kernel_px=7)
        widths, time_strides = [width, 2 * width, 4 * width, 8 * width], [1, 1, 2, 2]
        stages: list[nn.Module] = []
        c_in = width
        for i, (c, stride_time) in enumerate(zip(widths, time_strides, strict=True)):
            stride_space = 1 if i == 0 else 2
            shortcut: nn.Module = nn.Identity()
            if c != c_in:
                stride = (stride_time, stride_space, stride_space)
                shortcut = nn.Sequential(nn.Conv3d(c_in, c, 1, stride, bias=False), nn.BatchNorm3d(c))
            body = Factored3d(c_in, c, stride_space=stride_space, stride_time=stride_time)
            stages.append(Residual(body, shortcut))
            c_in = c
        self.stages = nn.Sequential(*stages)
        self.feature_dim = 2 * c_in
        self.standardise = _standardise(self.feature_dim)

    def forward(self, clips: Tensor) -> Tensor:
        """(B, 3, T, H, W) to (B, D)."""
        x = F.relu(self.stem(clips), inplace=True)
        return self.standardise(_pool(self.stages(x).flatten(3)))


class TinyAudio(nn.Module):
    """A small 2-D ResNet on log-mels: (B, 1, n_mels, C) to (B, 16 * width), or (B, 45 * width) pooled from all stages.

    Columns are halved twice only, beyond the stem's stride.
    """

    def __init__(self, width: int = 16, stride_columns: int = 1, pool: Literal["last", "stages"] = "last") -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, width, (7, 5), (2, stride_columns), (3, 2), bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )
        stages: list[nn.Module] = []
        c_in = width
        for c, stride in zip([width, 2 * width, 4 * width, 8 * width], [(2, 1), (2, 2), (2, 2), (2, 1)], strict=True):
            body = nn.Sequential(
                nn.Conv2d(c_in, c, 3, stride, 1, bias=False), nn.BatchNorm2d(c), nn.ReLU(inplace=True),
                nn.Conv2d(c, c, 3, 1, 1, bias=False), nn.BatchNorm2d(c),
            )  # fmt: skip
            shortcut = nn.Sequential(Pointwise2d(c_in, c, 1, stride, bias=False), nn.BatchNorm2d(c))
            stages.append(Residual(body, shortcut))
            c_in = c
        self.stages = nn.Sequential(*stages)
        self.pool = pool
        self.feature_dim = 2 * c_in if pool == "last" else 3 * 15 * width
        self.standardise = _standardise(self.feature_dim)

    def forward(self, logmel: Tensor) -> Tensor:
        """(B, 1, n_mels, C) to (B, D)."""
        if self.pool == "last":
            return self.standardise(_pool(self.stages(self.stem(logmel)).flatten(2).unsqueeze(2)))
        x, pooled = self.stem(logmel), []
        for stage in self.stages:
            x = stage(x)
            pooled.append(_pool_audio(x))
        return self.standardise(torch.cat(pooled, 1))


def _pool_audio(x: Tensor) -> Tensor:
    """Mean of (B, C, F, T), largest band averaged over time, and largest moment averaged over bands: (B, 3 * C)."""
    return torch.cat([x.mean(dim=(2, 3)), x.amax(dim=2).mean(dim=2), x.amax(dim=3).mean(dim=2)], 1)
