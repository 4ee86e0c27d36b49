"""Same sound: whether two short pieces of audio rise and fall in the very same bands at the very same moments.

A descriptor of a second and a half tells what audio is like. Noise, music or a room over it change what it is like, but not
when which band gets louder. So the changes of the log-mel from column to column are correlated over shifts of time and of
pitch, as Haitsma and Kalker compare the signs of such changes ("A highly robust audio fingerprinting system", ISMIR 2002).

A filter or another volume adds a constant to a band's logarithm, and changes over time do not see it. Large changes count
hardly more than small ones; all bands and all columns get equal power. A hum agrees at many shifts and a siren at every
turn, a copy at one. So the best correlation is measured in units of the spread over all other shifts of the same pair, and
a second one that is higher than usual is taken off. A turn may lie outside the reference, so the query is compared with
itself too.

What both hold may still be one sound: a knock, a beep, a fade. So the strongest course in time that all bands share is taken
off the query, and neither the fraction of a second nor the bands that agree most count in the end.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from evaluate.fingerprint.match.chance import surprise_of_normal

STEPS = 5
"""Columns of the reference for one of the query: the query begins anywhere between two. The hops of all presets divide by it."""
LAG = 2
"""Columns of the query over which changes are taken: 50 ms with the shipped encoder, whose columns are 25 ms apart."""
RANGE_NEPERS = 6 * math.log(10)
"""Power this far below the loudest (60 dB) counts as silence, where codecs leave nothing."""
FULL_NEPERS = 1.0
"""Changes by so much (4.3 dB) count half as much as the largest."""
REACH_BANDS = 4
"""Largest shift of pitch."""
NOISE_SHARE = 0.1
"""Bands and columns with less than this share of the mean power are not raised to it."""
NEAR_COLUMNS = 10
"""Of the query: shifts in time within them are the same alignment, smeared by a room."""
EVENT_COLUMNS, EVENT_BANDS = 12, 8
"""Of the query, that do not count: the run of columns, and of bands, that agrees most."""
LEAST_OTHERS = 100
"""Other shifts from which a spread can be told."""
LEAST_SELF_COLUMNS = 60
"""Of the query, that overlap where it is compared with itself."""
USUAL_SECOND = 4.0
"""Of the best correlation elsewhere, in units of the spread. A higher one is that of a loop or a siren, which agrees with
itself at every turn; what is above this is taken off."""
CHANCE_MEAN, CHANCE_SD = 1.5, 0.9
"""Of what is left for unrelated recordings; for pieces of less than three seconds it is less."""


class Alignment(NamedTuple):
    """The best alignment of a query with a reference.

    Attributes:
        first_column: column of the reference where the query begins.
        surprise: -ln of the probability that unrelated recordings have one like it.
    """

    first_column: int
    surprise: float


def align(query: Tensor, reference: Tensor) -> Alignment | None:
    """Align a query with a reference of STEPS times its columns a second; None if either is too short.

    Args:
        query: (n_mels, T) float32, natural log of mel power.
        reference: (n_mels, U) float32.
    """
    length = STEPS * (query.shape[1] - LAG - 1) + 1
    n_starts = reference.shape[1] - LAG * STEPS - length + 1
    if length < 1 or n_starts < 1:
        return None
    mine, theirs = _without_one_event(_changes(query, 1)), _changes(reference, STEPS)
    agreement = _correlated(mine, theirs)[:, :n_starts]
    shift, start = divmod(int(agreement.argmax()), n_starts)
    others = agreement[:, (torch.arange(n_starts) - start).abs() > NEAR_COLUMNS * STEPS]
    if others.numel() < LEAST_OTHERS:
        return None
    spread = float(others.square().mean().sqrt())
    if not spread:  # silence
        return Alignment(start, 0.0)
    there = _shifted(theirs[:, start : start + length : STEPS], REACH_BANDS - shift)
    of_itself = _agreement_with_itself(mine) * float(mine.norm() * there.norm())
    left, second = _without_strongest(mine * there), max(float(others.max()), of_itself)
    evidence = left / spread - max(0.0, second / spread - USUAL_SECOND)
    return Alignment(start, surprise_of_normal((evidence - CHANCE_MEAN) / CHANCE_SD))


def _changes(logmel: Tensor, steps: int) -> Tensor:
    """Return the changes over LAG columns of the query, (n_mels, T - LAG * steps), of equal power everywhere."""
    heard = logmel.clamp(min=float(logmel.amax()) - RANGE_NEPERS)
    changes = heard[:, LAG * steps :] - heard[:, : -LAG * steps]
    changes = changes / (changes.abs() + FULL_NEPERS)
    for axis in (1, 0):
        power = changes.square().mean(axis, keepdim=True)
        changes = changes / (power + NOISE_SHARE * power.mean() + 1e-9).sqrt()
    return changes


def _without_one_event(changes: Tensor) -> Tensor:
    """Take the strongest product of a spectrum and a course in time off changes (n_mels, T), such as a knock or a fade."""
    spectrum = torch.linalg.eigh(changes @ changes.T)[1][:, -1:]
    return changes - spectrum @ (spectrum.T @ changes)


def _correlated(query: Tensor, reference: Tensor) -> Tensor:
    """Correlate changes over shifts of pitch and of time: (n_mels, T) and (n_mels, U) to (2 * REACH_BANDS + 1, U or more)."""
    spaced = query.new_zeros(len(query), STEPS * (query.shape[1] - 1) + 1)
    spaced[:, ::STEPS] = query
    size = 1 << (reference.shape[1] + spaced.shape[1] - 1).bit_length()  # no end meets the start
    mine, theirs = torch.fft.rfft(spaced, size).conj(), torch.fft.rfft(reference, size)
    shifts = range(-REACH_BANDS, REACH_BANDS + 1)
    return torch.fft.irfft(torch.stack([(mine * _shifted(theirs, -shift)).sum(0) for shift in shifts]), size)


def _agreement_with_itself(query: Tensor) -> float:
    """Return the largest correlation of changes (n_mels, T) with themselves at another time, from 0 to 1."""
    n_columns = query.shape[1]
    if n_columns <= NEAR_COLUMNS + LEAST_SELF_COLUMNS:
        return 0.0
    shifts = torch.arange(NEAR_COLUMNS + 1, n_columns - LEAST_SELF_COLUMNS + 1)
    size = 1 << (2 * n_columns - 1).bit_length()
    spectra = torch.fft.rfft(query, size)
    product = torch.fft.irfft((spectra * spectra.conj()).sum(0), size)
    share = product[shifts] / product[0].clamp(min=1e-9) * n_columns / (n_columns - shifts)
    return min(max(0.0, float(share.max())), 1.0)


def _shifted(bands: Tensor, n_up: int) -> Tensor:
    """Move bands (n_mels, ...) up, or down if negative, with zeros for those beyond the ends."""
    moved = torch.roll(bands, n_up, 0)
    moved[len(bands) + n_up if n_up < 0 else 0 : None if n_up < 0 else n_up] = 0
    return moved


def _without_strongest(agreement: Tensor) -> float:
    """Sum agreement (n_mels, T) without the run of columns and the run of bands that agree most."""
    left = float(agreement.sum())
    for axis, most in ((0, EVENT_COLUMNS), (1, EVENT_BANDS)):
        course = agreement.sum(axis)
        n = min(most, len(course))
        left -= n * float(F.avg_pool1d(course[None, None], n, stride=1).max())
    return left
