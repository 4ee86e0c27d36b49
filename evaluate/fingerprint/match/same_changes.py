"""Same changes: whether two short pieces of video show the very same changes at the same places of the picture.

A descriptor tells what a second and a half is like. One that fills a clip, or lies over another video, tells too little to
rule out chance. Pictures tell more: hundreds of places of a frame change independently. So the changes from frame to frame
of query and reference are correlated over shifts of time, of place, and over scales, as phase correlation does (Kuglin and
Hines, "The phase correlation image alignment method", 1975).

Chance is told by the pair itself. What all real videos have in common is taken off: what stands still, by differences over
time; that coarse structure is stronger than fine, by equal power of all spatial frequencies; that changes happen in some
places and frames more than in others, by equal power of these. Then the correlations of unrelated videos over all shifts of
place are like normal numbers, and their spread is known from the power (Parseval). The best one is told as z, in spreads,
without the frame that agrees most: a cut or a title at the same moment and place is one event, which may be chance.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

SIDE_PX = 32
"""Side of the compared pictures."""
SCALES = tuple(1.08**step for step in range(-5, 7))
"""Size of things in the query, relative to the reference: 0.68 to 1.59. Between two steps the finest structure is a
quarter of its wavelength off at the picture's sides."""
STEPS = 2
"""Frames of the reference for one of the query: the query begins anywhere between two."""
HIGHEST_CYCLES = 11.0
"""Highest spatial frequency in cycles a picture: beyond it pictures of this size are mostly noise."""
REACH_PX = 6
"""Largest shift of place."""
NEAR_PX = 2.0
"""Standard deviation of the surroundings in which places have equal power."""
NOISE_SHARE = 0.1
"""Places with less than this share of the mean power are not raised to it: they hold noise."""
TAIL = 1.15
"""How many times as wide as a normal one the distribution is far out, measured on unrelated real videos."""
LEAST_CHANGE = 0.5
"""Root mean square of the changes from frame to frame, in levels of 255; less is the noise of encoding."""


class Alignment(NamedTuple):
    """The best alignment of a query with a reference.

    Attributes:
        z: its correlation without the strongest frame, in spreads of the correlations at other shifts.
        first_frame: frame of the reference where the query begins.
        surprise: -ln of the probability that chance gives an alignment like it at any shift or scale; at least 0.
    """

    z: float
    first_frame: int
    surprise: float


_CYCLES = torch.fft.fftfreq(SIDE_PX) * SIDE_PX
_RADIUS = torch.hypot(_CYCLES[:, None], _CYCLES[None])
_USED = (_RADIUS >= 1) & (_RADIUS <= HIGHEST_CYCLES)
_SIDE = torch.hann_window(SIDE_PX + 2, periodic=False)[1:-1].sqrt()
_WINDOW = _SIDE[:, None] * _SIDE
_SHARED = torch.fft.ifft2(torch.fft.fft2(_WINDOW**2).abs() ** 2).real
"""Power that two windows share at each shift of place; further shifts share less, and their correlations spread less."""
_SPREAD = (_SHARED / _SHARED.mean()).clamp(min=1e-3).sqrt()
_FAR = (_CYCLES.abs() > REACH_PX)[:, None] | (_CYCLES.abs() > REACH_PX)[None]
_PLACES = (2 * REACH_PX + 1) ** 2 * (2 * HIGHEST_CYCLES / SIDE_PX) ** 2
"""Independent shifts of place: structure of this frequency is resolved."""


def align(query: Tensor, reference: Tensor) -> Alignment | None:
    """Align a query with a reference of STEPS times its frame rate; None if the reference is too short.

    Args:
        query: (T, H, H) brightness, T at least 2.
        reference: (U, G, G) brightness; both sides are best twice SIDE_PX or more.
    """
    n_starts = len(reference) - STEPS * (len(query) - 1)
    if n_starts < 1:
        return None
    sizes = [(max(scale, 1.0), max(1 / scale, 1.0)) for scale in SCALES]
    mine = {each: _changes(_enlarged(query, each), 1) for each in {size for _, size in sizes}}
    theirs = {each: _changes(_enlarged(reference, each), STEPS) for each in {size for size, _ in sizes}}
    at = torch.arange(n_starts)[:, None] + STEPS * torch.arange(len(query) - 1)
    best = (0.0, 0)
    for reference_size, query_size in sizes:
        ours, seen = mine[query_size].conj(), theirs[reference_size][at]
        cross = torch.einsum("tf,ntf->nf", ours, seen)
        spectrum = cross.new_zeros(n_starts, SIDE_PX, SIDE_PX)
        spectrum[:, _USED] = cross
        spread = torch.linalg.vector_norm(cross, dim=1)[:, None, None].clamp(min=1e-9) * _SPREAD
        height, places = (torch.fft.ifft2(spectrum).real / spread).masked_fill(_FAR, 0).flatten(1).max(1)
        start = int(height.argmax())
        best = max(best, (_without_strongest(ours * seen[start], int(places[start])), start))
    n_tried = n_starts / STEPS * _PLACES * len(SCALES)
    chance = n_tried * math.erfc(best[0] / TAIL / math.sqrt(2)) / 2
    return Alignment(*best, max(0.0, -math.log(max(chance, 1e-300))))


def _without_strongest(cross: Tensor, place: int) -> float:
    """Return z at a shift of place, of cross spectra (T, f) without the frame that agrees most."""
    down, right = divmod(place, SIDE_PX)
    turns = (_CYCLES[:, None] * down + _CYCLES * right)[_USED] / SIDE_PX
    agreement = (cross * torch.exp(2j * math.pi * turns)).real.sum(1)
    strongest = int(agreement.argmax())
    spread = torch.linalg.vector_norm(cross.sum(0) - cross[strongest]).clamp(min=1e-9) * _SPREAD.flatten()[place]
    return float((agreement.sum() - agreement[strongest]) / spread)


def _enlarged(frames: Tensor, size: float) -> Tensor:
    """Enlarge the middle of frames (T, H, H) by `size` and reduce it to (T, SIDE_PX, SIDE_PX) float32."""
    side = round(frames.shape[1] / size)
    first = (frames.shape[1] - side) // 2
    middle = frames[:, None, first : first + side, first : first + side].float()
    return F.interpolate(middle, (SIDE_PX, SIDE_PX), mode="bilinear", antialias=True)[:, 0]


def _changes(frames: Tensor, steps: int) -> Tensor:
    """Return the spectra (T - steps, f) complex64 of changes over so many frames, of equal power everywhere."""
    changes = frames[steps:] - frames[:-steps]
    changes = changes * (changes.square().mean() >= LEAST_CHANGE**2)
    spectra = torch.fft.fft2(changes * _WINDOW)
    power = spectra.abs().square().mean(0)
    spectra = spectra * _USED / (power.sqrt() + 0.01 * power[_USED].mean().sqrt() + 1e-3)
    changes = torch.fft.ifft2(spectra).real
    around = _blurred(changes.square().mean(0))
    changes = changes / (around + NOISE_SHARE * around.mean() + 1e-12).sqrt()
    of_frame = changes.square().mean((1, 2), keepdim=True).sqrt()
    changes = changes / (of_frame + 0.3 * of_frame.square().mean().sqrt() + 1e-6)
    return torch.fft.fft2(changes * _WINDOW)[:, _USED]


def _blurred(power: Tensor) -> Tensor:
    reach = round(3 * NEAR_PX)
    taps = torch.exp(-((torch.arange(-reach, reach + 1) / NEAR_PX) ** 2) / 2)
    taps = taps / taps.sum()
    padded = F.pad(power[None, None], (reach,) * 4, mode="reflect")
    return F.conv2d(F.conv2d(padded, taps[None, None, :, None]), taps[None, None, None])[0, 0]
