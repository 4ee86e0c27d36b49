"""Ranges of the distortions that a fingerprint must survive."""

from dataclasses import field
from typing import Annotated

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat
from pydantic.dataclasses import dataclass

from train.config import STRICT, PositiveRange, Probability, Range, RatioMax


@dataclass(frozen=True, config=STRICT)
class VideoDistortConfig:
    """Distortions of a clip's frames; all but the noise are the same in every frame."""

    shown: PositiveRange = (0.55, 1.35)
    """Side of the visible square, in sides of the frame, log-uniform: below 1 a crop, above 1 the frame with a border."""
    shown_probability: Probability = 0.75
    inset_probability: Probability = 0.15
    """Probability of picture in picture: the frame, reduced, lies over another clip."""
    inset: PositiveRange = (0.4, 0.8)
    """Side of the small frame, in sides of the view, log-uniform."""
    aspect_max: RatioMax = 1.35
    rotation_degrees: NonNegativeFloat = 17.0
    rotation_probability: Probability = 0.4
    quarter_turn_probability: Probability = 0.1
    flip_probability: Probability = 0.5
    upside_down_probability: Probability = 0.15
    """Probability of a vertical flip; with a horizontal one it is a rotation by 180 degrees."""
    blend_probability: Probability = 0.0
    """Probability that another clip shines through."""
    blend: Range = (0.2, 0.5)
    """Share of the other clip where it shines through."""
    border_other: Probability = 0.3
    """Share of clips whose border shows another clip."""
    border_black: Probability = 0.4
    """Share of clips whose border is black; the rest have a flat colour."""
    rectangles: NonNegativeInt = 2
    """Number of rectangles that may cover part of a clip, each with the probability below; half show another clip."""
    rectangle_probability: Probability = 0.25
    rectangle_height: PositiveRange = (0.06, 0.37)
    """In sides of the view, like the width."""
    rectangle_width: PositiveRange = (0.12, 0.78)
    hue_turns: NonNegativeFloat = 0.3
    hue_probability: Probability = 0.5
    saturation: Range = (0.4, 1.7)
    grey_probability: Probability = 0.15
    contrast: Range = (0.5, 1.5)
    brightness: NonNegativeFloat = 50.0
    """Largest change, up or down, in grey levels of 255."""
    gamma_max: RatioMax = 1.5
    blur_probability: Probability = 0.3
    blur_sides: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (0.25, 0.375, 0.5, 0.625)
    """A blurred clip is scaled down to one of these sides, in sides of the view, and up again."""
    noise: NonNegativeFloat = 30.0
    """Largest standard deviation of white noise, in grey levels."""
    noise_probability: Probability = 0.4


@dataclass(frozen=True, config=STRICT)
class AudioDistortConfig:
    """Distortions of a clip's audio, applied to log-mel power."""

    pitch_max: RatioMax = 1.19
    """Largest ratio of a pitch change, up or down, log-uniform."""
    pitch_follows_pace: Probability = 0.5
    """Probability that pitch and speed change together, as on a tape played faster."""
    reverb_probability: Probability = 0.3
    reverb_columns: PositiveRange = (1.0, 8.0)
    """Columns after which the reverb has fallen to 1/e."""
    reverb_share: Range = (0.05, 0.5)
    mix_probability: Probability = 0.5
    mix_db: Range = (0.0, 20.0)
    """Power of the clip relative to the audio that is mixed in."""
    noise_probability: Probability = 0.5
    noise_db: Range = (0.0, 25.0)
    noise_tilt_db: Range = (-26.0, 14.0)
    """Level of the noise in the highest band relative to the lowest."""
    equaliser_db: NonNegativeFloat = 6.5
    equaliser_points: Annotated[int, Field(ge=2)] = 6
    band_probability: Probability = 0.35
    band_low: Range = (0.0, 0.35)
    """Lower edge of the pass band, as a fraction of the mel bands."""
    band_high: Range = (0.55, 1.0)
    band_rejection_db: NonNegativeFloat = 50.0
    gain_db: Range = (-14.0, 5.0)


@dataclass(frozen=True, config=STRICT)
class DistortConfig:
    """Distortions that replace the augmentation (`augment`), for fingerprints."""

    enabled: bool = False
    video: VideoDistortConfig = field(default_factory=VideoDistortConfig)
    audio: AudioDistortConfig = field(default_factory=AudioDistortConfig)
