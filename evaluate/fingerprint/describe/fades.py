"""Fades, made here: clips that look alike whatever they show, so being as alike as they are says little.

While a frame rises out of black or white, its descriptors say that it rises, and hardly what it shows. A small archive
has no other fades to learn this from. So these stand in the background of every archive.
"""

import itertools

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from evaluate.fingerprint.describe.clip_stream import describe_video
from evaluate.fingerprint.describe.descriptors import Descriptors
from evaluate.fingerprint.describe.encoder import DescriptorEncoder

N_IMAGES = 16
"""Each fades in and out, from black and from white."""
SECONDS = (1.0, 2.0, 3.0, 4.0)
"""Lengths of the fades; one second of the whole image follows or precedes."""
BLOBS = {2: 1.0, 4: 0.8, 8: 0.5, 16: 0.3}
"""Detail of the images: number of blobs along a side, and their strength; large ones are strongest, as in nature."""
MIDDLE, SPREAD = 128.0, 60.0
"""Mean and deviation of the pixels, of 255, of blobs of one strength."""
SEED = 20


def describe_fades(encoder: DescriptorEncoder, hop_seconds: float) -> list[Descriptors]:
    """Describe 64 fades of coloured and grey blobs as sources of video only.

    Args:
        encoder: of the archive that they are the background of.
        hop_seconds: time between descriptors.
    """
    fps, clip = encoder.shard_params.fps, encoder.clip
    random = torch.Generator().manual_seed(SEED)
    described = []
    for number, (_, level, is_out) in enumerate(itertools.product(range(N_IMAGES), (0.0, 255.0), (False, True))):
        seconds = SECONDS[number % len(SECONDS)]
        n_frames = max(clip.span_frames, round((seconds + 1) * fps))
        shown = (torch.arange(n_frames) / fps / seconds).clamp(max=1)[:, None, None, None]
        shown = shown.flip(0) if is_out else shown
        image = _image(clip.frame_px, 1 if (number // 4) % 2 else 3, random)
        frames = (level + shown * (image - level)).round().to(torch.uint8)  # (T, H, W, 3)
        starts = torch.arange(0, n_frames - clip.span_frames + 1, max(1, round(hop_seconds * fps)))
        has, vectors = describe_video(encoder, frames.to(encoder.device), starts)
        begin = starts.numpy() / fps
        end, silent = begin + clip.span_frames / fps, np.zeros(len(has), bool)
        described.append(Descriptors(f"fade {number}", begin, end, has, silent, vectors, None))
    return described


def _image(side_px: int, n_colours: int, random: torch.Generator) -> Tensor:
    """Draw blobs: (side_px, side_px, 3) float32 within [0, 255]."""
    drawn = torch.zeros(1, n_colours, side_px, side_px)
    for n_blobs, strength in BLOBS.items():
        blobs = torch.randn(1, n_colours, n_blobs, n_blobs, generator=random)
        drawn += strength * F.interpolate(blobs, (side_px, side_px), mode="bicubic")
    return (MIDDLE + SPREAD * drawn[0]).clamp(0, 255).expand(3, -1, -1).permute(1, 2, 0)
