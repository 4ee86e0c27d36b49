"""Alignment of video: whether two short pieces of video show the very same changes at the same places of the frame.

A descriptor tells what a second and a half is like. One that fills a clip, or lies over another video, tells too little to
rule out chance. Frames tell more: hundreds of places of a frame change independently. So the changes from frame to frame
of query and reference are correlated over shifts of time, of place, and over scales, as phase correlation does (Kuglin and
Hines, "The phase correlation image alignment method", 1975).

Real videos share still backgrounds, more coarse than fine structure, and changes that cluster in a few places and frames.
Differences over time remove the first; equal power of every spatial frequency, place and frame removes the others. Over all
shifts of place, the correlations of unrelated videos are then nearly normal, and their spread follows from the power
(Parseval). z is the best correlation in units of this spread.

What both show may still be one small thing: a car that crosses, a lamp that blinks, a title that comes up. So large changes
count hardly more than small ones, the strongest image that a single course in time explains is taken off the query, and
neither the surroundings that agree most in each frame nor the frame that agrees most count in the end.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from evaluate.fingerprint.match.chance import surprise_of_normal

SIDE_PX = 32
"""Side of the compared frames."""
SCALES = tuple(1.08**step for step in range(-5, 7))
"""Size of things in the query, relative to the reference: 0.68 to 1.59. Between two steps the finest structure is a
quarter of its wavelength off at the frame's sides."""
STEPS = 2
"""Frames of the reference for one of the query: the query begins anywhere between two."""
HIGHEST_CYCLES = 11.0
"""Highest spatial frequency in cycles a frame: beyond it frames of this size are mostly noise."""
REACH_PX = 6
"""Largest shift of place."""
NEAR_PX = 2.0
"""Standard deviation of the surroundings in which places have equal power."""
NOISE_SHARE = 0.1
"""Places with less than this share of the mean power are not raised to it: they hold noise."""
FULL_LEVELS = 4.0
"""Changes of a pixel by so many levels of 255 count half as much as the largest."""
SURROUNDINGS_PX = 9
"""Side of the surroundings in each frame that do not count."""
CHANCE_MEAN, CHANCE_SD = -1.05, 0.8
"""Of the best z of unrelated real videos without what does not count; its distribution is nearly normal."""
LEAST_FRAMES = 7
"""Of a query that is compared, a little less than a second: with fewer, chance was not measured."""
LEAST_CHANGE = 0.5
"""Root mean square of the changes from frame to frame, in levels of 255; less is the noise of encoding."""


class Alignment(NamedTuple):
    """The best alignment of a query with a reference.

    Attributes:
        first_frame: frame of the reference where the query begins.
        surprise: -ln of the probability that unrelated videos have one like it.
    """

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


def align(query: Tensor, reference: Tensor) -> Alignment | None:
    """Align a query with a reference of STEPS times its frame rate; None if either is too short.

    Args:
        query: (T, H, H) brightness.
        reference: (U, G, G) brightness; both sides are best twice SIDE_PX or more.
    """
    n_starts = len(reference) - STEPS * (len(query) - 1)
    if n_starts < 1 or len(query) < LEAST_FRAMES:
        return None
    sizes = [(max(scale, 1.0), max(1 / scale, 1.0)) for scale in SCALES]
    cuts, seen = (
        _spectra(query, 1, {size for _, size in sizes}),
        _spectra(reference, STEPS, {size for size, _ in sizes}),
    )
    pairs = torch.arange(n_starts)[:, None] + STEPS * torch.arange(len(query) - 1)
    best = (0.0, -math.inf, 0)
    for reference_size, query_size in sizes:
        mine, theirs = _without_one_event(cuts[query_size]), seen[reference_size][pairs]
        cross = torch.einsum("tf,ntf->nf", mine.conj(), theirs)
        spread = torch.linalg.vector_norm(cross, dim=1)[:, None, None].clamp(min=1e-9) * _SPREAD
        z, places = (_images(cross) / spread).masked_fill(_FAR, 0).flatten(1).max(1)
        start = int(z.argmax())
        if float(z[start]) > best[0]:
            place = int(places[start])
            left = _without_strongest(mine, theirs[start], place) / float(spread[start].flatten()[place])
            best = (float(z[start]), left, start)
    return Alignment(best[2], surprise_of_normal((best[1] - CHANCE_MEAN) / CHANCE_SD))


def _without_one_event(spectra: Tensor) -> Tensor:
    """Take the strongest product of an image and a course in time off spectra (T, f), such as a cut or a fade."""
    wide = spectra.to(torch.complex128)  # in single precision the solver may fail to converge
    course = torch.linalg.eigh(wide @ wide.conj().T)[1][:, -1:].to(spectra.dtype)
    return spectra - course @ (course.conj().T @ spectra)


def _without_strongest(query: Tensor, reference: Tensor, place: int) -> float:
    """Sum the agreement of spectra (T, f) at a shift of place without each frame's best surroundings and the best frame."""
    down, right = divmod(place, SIDE_PX)
    turns = torch.exp(2j * math.pi * (_CYCLES[:, None] * down + _CYCLES * right)[_USED] / SIDE_PX)
    agreement = _images(query) * _images(reference * turns) / SIDE_PX**2  # as Parseval has it
    around = F.avg_pool2d(agreement[:, None], SURROUNDINGS_PX, stride=1, padding=SURROUNDINGS_PX // 2)
    left = agreement.sum((1, 2)) - SURROUNDINGS_PX**2 * around.flatten(1).amax(1)
    return float(left.sum() - left.max())


def _images(spectra: Tensor) -> Tensor:
    """Spectra (n, f) to images (n, SIDE_PX, SIDE_PX), as sums over frequencies."""
    laid = spectra.new_zeros(len(spectra), SIDE_PX, SIDE_PX)
    laid[:, _USED] = spectra
    return torch.fft.ifft2(laid).real * SIDE_PX**2


def _spectra(frames: Tensor, steps: int, sizes: Iterable[float]) -> dict[float, Tensor]:
    return {size: _changes(_enlarged(frames, size), steps) for size in sizes}


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
    changes = changes / (changes.abs() + FULL_LEVELS)
    spectra = torch.fft.fft2(changes * _WINDOW)
    power = spectra.abs().square().mean(0)
    spectra = spectra * _USED / (power.sqrt() + 0.01 * power[_USED].mean().sqrt() + 1e-4)
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
