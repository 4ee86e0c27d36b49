"""Alignment of audio: whether two short pieces of audio rise and fall in the very same bands at the very same moments.

A descriptor of a second and a half tells what audio is like. Noise, music or a room over it change what it is like, but not
when which band gets louder. So the changes of the log-mel from column to column are correlated over shifts of time and of
pitch, as Haitsma and Kalker compare the signs of such changes ("A highly robust audio fingerprinting system", ISMIR 2002).

A filter or another volume adds a constant to a band's logarithm, and changes over time do not see it. Large changes count
hardly more than small ones; all bands and all columns get equal power. A hum agrees at many shifts and a siren at every
turn, a copy at one. So the best correlation is measured in units of the spread over all other shifts of the same pair, and
a second one that is higher than usual is taken off. A turn may lie outside the reference, so the piece is compared with the
rest of the query too.

What both hold may still be one event: a knock, a beep, a fade. So the strongest course in time that all bands share is taken
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
"""Columns of the reference, other than near the best one, where the query may begin: from fewer a spread is not told."""
LEAST_SELF_COLUMNS = 60
"""Of the piece, that overlap where it is compared with the rest of the query."""
USUAL_SECOND = 4.0
"""Of the best correlation elsewhere, in units of the spread. A higher one is that of a loop or a siren, which agrees with
itself at every turn; what is above this is taken off."""
CHANCE_MEAN, CHANCE_SD = 1.7, 1.0
EVENT_MEAN, EVENT_SD = 3.5, 1.5
"""Of what is left for unrelated recordings: the first two, less the other two times the share of columns that do not count.
Measured on pieces of one to five seconds."""
LEAST_COLUMNS = 36
"""Of a piece that is compared, a little less than a second."""


class Alignment(NamedTuple):
    """The best alignment of an excerpt with a passage.

    Attributes:
        first_column: column of the passage where the excerpt begins.
        surprise: -ln of the probability that unrelated recordings have one like it.
    """

    first_column: int
    surprise: float


class Excerpt(NamedTuple):
    """What is compared of a query.

    Attributes:
        changes: (n_mels, T - LAG) float32, without the strongest event.
        elsewhere: how well they agree with the rest of the query where they do so best, from 0 to 1.
    """

    changes: Tensor
    elsewhere: float


def excerpt_of(query: Tensor, first: int, last: int) -> Excerpt | None:
    """Make the excerpt of columns [first, last) of a query's log-mel (n_mels, T), natural log of mel power.

    None if it is too short: by so few columns, chance was not measured.
    """
    if last - first < LEAST_COLUMNS:
        return None
    changes = _without_one_event(_changes(query[:, first:last], LAG))
    return Excerpt(changes, _agreement_elsewhere(changes, _changes(query, LAG), first))


class Passage(NamedTuple):
    """What is compared of a reference.

    Attributes:
        changes: (n_mels, U) float32.
        spectra: (n_mels, size / 2 + 1) complex64, of the changes with zeros behind them.
        size: of the transform; no end of an excerpt meets the start.
    """

    changes: Tensor
    spectra: Tensor
    size: int


def passage_of(reference: Tensor, most_columns: int, speed: float) -> Passage | None:
    """Make the passage of a reference's log-mel (n_mels, U), of STEPS times the columns a second of a query.

    Args:
        reference: natural log of mel power.
        most_columns: of the reference, that an excerpt covers.
        speed: about how many times as fast as the reference the query plays.
    """
    lag = round(LAG * STEPS * speed)
    if reference.shape[1] <= lag:
        return None
    changes = _changes(reference, lag)
    size = 1 << (changes.shape[1] + most_columns - 1).bit_length()
    return Passage(changes, torch.fft.rfft(changes, size), size)


def align(excerpt: Excerpt, passage: Passage, speed: float = 1.0, reach_bands: int = REACH_BANDS) -> Alignment | None:
    """Align an excerpt that plays `speed` times as fast as the reference, and so many bands aside; None if that is too short."""
    mine, theirs = excerpt.changes, passage.changes
    at = (torch.arange(mine.shape[1]) * (STEPS * speed)).round().long()
    n_starts = theirs.shape[1] - int(at[-1])
    if n_starts < 1:
        return None
    agreement = _correlated(mine, at, passage, reach_bands)[:, :n_starts]
    shift, start = divmod(int(agreement.argmax()), n_starts)
    others = agreement[:, (torch.arange(n_starts) - start).abs() > NEAR_COLUMNS * STEPS]
    if others.shape[1] < LEAST_OTHERS:
        return None
    spread = float(others.square().mean().sqrt())
    if not spread:  # silence
        return Alignment(start, 0.0)
    there = _shifted(theirs[:, start + at], reach_bands - shift)
    of_itself = excerpt.elsewhere * float(mine.norm() * there.norm())
    left, second = _without_strongest(mine * there), max(float(others.max()), of_itself)
    evidence = left / spread - max(0.0, second / spread - USUAL_SECOND)
    share = EVENT_COLUMNS / (mine.shape[1] + LAG)
    mean, sd = CHANCE_MEAN - EVENT_MEAN * share, CHANCE_SD - EVENT_SD * share
    return Alignment(start, surprise_of_normal((evidence - mean) / sd))


def _changes(logmel: Tensor, lag: int) -> Tensor:
    """Return the changes over so many columns, (n_mels, T - lag), of equal power everywhere."""
    heard = logmel.clamp(min=float(logmel.amax()) - RANGE_NEPERS)
    changes = heard[:, lag:] - heard[:, :-lag]
    changes = changes / (changes.abs() + FULL_NEPERS)
    for axis in (1, 0):
        power = changes.square().mean(axis, keepdim=True)
        changes = changes / (power + NOISE_SHARE * power.mean() + 1e-9).sqrt()
    return changes


def _without_one_event(changes: Tensor) -> Tensor:
    """Take the strongest product of a spectrum and a course in time off changes (n_mels, T), such as a knock or a fade."""
    wide = changes.double()  # in float32 the solver fails to converge for some pieces with silent bands
    spectrum = torch.linalg.eigh(wide @ wide.T)[1][:, -1:].to(changes.dtype)
    return changes - spectrum @ (spectrum.T @ changes)


def _correlated(piece: Tensor, at: Tensor, passage: Passage, reach_bands: int) -> Tensor:
    """Correlate changes (n_mels, T), laid out at columns (T,), over shifts of pitch and time: (2 * reach_bands + 1, size)."""
    spaced = piece.new_zeros(len(piece), int(at[-1]) + 1)
    spaced[:, at] = piece
    mine = torch.fft.rfft(spaced, passage.size).conj()
    shifts = range(-reach_bands, reach_bands + 1)
    return torch.fft.irfft(
        torch.stack([_shifted_product(mine, passage.spectra, shift) for shift in shifts]), passage.size
    )


def _shifted_product(mine: Tensor, theirs: Tensor, shift: int) -> Tensor:
    """Sum over bands the product of spectra (n_mels, f) with those `shift` bands higher."""
    n = len(mine) - abs(shift)
    low, high = max(0, -shift), max(0, shift)
    return torch.einsum("bf,bf->f", mine[low : low + n], theirs[high : high + n])


def _agreement_elsewhere(piece: Tensor, query: Tensor, first: int) -> float:
    """Return the largest share of a piece's power (n_mels, T) that it shares with other columns of the query (n_mels, Q)."""
    (_, n), (_, n_query) = piece.shape, query.shape
    starts = torch.arange(min(0, LEAST_SELF_COLUMNS - n), n_query - min(n, LEAST_SELF_COLUMNS) + 1)
    starts = starts[(starts - first).abs() > NEAR_COLUMNS]
    if not len(starts):
        return 0.0
    size = 1 << (n + n_query - 1).bit_length()
    product = torch.fft.irfft((torch.fft.rfft(piece, size).conj() * torch.fft.rfft(query, size)).sum(0), size)
    overlap = (starts + n).clamp(max=n_query) - starts.clamp(min=0)
    share = product[starts % size] / piece.square().sum().clamp(min=1e-9) * n / overlap
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
