"""Ranges of the distortions that a fingerprint must survive. `strict` alone is imported: `train.config.schema` builds on it."""

from dataclasses import field

from pydantic.dataclasses import dataclass

from train.config.strict import STRICT

Range = tuple[float, float]
"""Lowest and highest value, drawn uniformly between them unless told otherwise."""


@dataclass(frozen=True, config=STRICT)
class VideoDistortConfig:
    """What is done to a clip's picture; all but the noise is the same in all its frames."""

    shown: Range = (0.55, 1.35)
    """Side of what the view shows, in sides of the frame, log-uniform: below 1 a crop, above 1 the frame with a border."""
    shown_probability: float = 0.75
    inset_probability: float = 0.15
    """Of picture in picture: the frame lies small before another clip."""
    inset: Range = (0.4, 0.8)
    """Side of the small frame, in sides of the view, log-uniform."""
    aspect_max: float = 1.35
    rotation_degrees: float = 17.0
    rotation_probability: float = 0.4
    quarter_turn_probability: float = 0.1
    flip_probability: float = 0.5
    upside_down_probability: float = 0.15
    """With the flip: turned by 180 degrees."""
    border_other: float = 0.3
    """Share of clips whose border is another clip's picture."""
    border_black: float = 0.4
    """Share of clips whose border is black; those left have a flat colour."""
    rectangles: int = 2
    """Rectangles that may lie over a clip, each with the probability below; half of them show another clip."""
    rectangle_probability: float = 0.25
    rectangle_height: Range = (0.06, 0.37)
    """In sides of the view, as the width is."""
    rectangle_width: Range = (0.12, 0.78)
    hue_turns: float = 0.3
    hue_probability: float = 0.5
    saturation: Range = (0.4, 1.7)
    grey_probability: float = 0.15
    contrast: Range = (0.5, 1.5)
    brightness: float = 50.0
    """Largest grey level of 255 that is added or taken away."""
    gamma_max: float = 1.5
    blur_probability: float = 0.3
    blur_sides: tuple[float, ...] = (0.25, 0.375, 0.5, 0.625)
    """Sides that a blurred clip was scaled down to, in sides of the view."""
    noise: float = 30.0
    """Largest standard deviation of white noise, in grey levels."""
    noise_probability: float = 0.4


@dataclass(frozen=True, config=STRICT)
class AudioDistortConfig:
    """What is done to a clip's sound, as log-mel power."""

    pitch_max: float = 1.19
    """Largest change of pitch as a ratio, up or down, log-uniform."""
    pitch_follows_pace: float = 0.5
    """Probability that pitch and pace change together, as on a tape played faster."""
    reverb_probability: float = 0.3
    reverb_columns: Range = (1.0, 8.0)
    """Columns in which the tail falls to 1/e."""
    reverb_share: Range = (0.05, 0.5)
    mix_probability: float = 0.5
    mix_db: Range = (0.0, 20.0)
    """Power of the clip over that of the sound that is mixed in."""
    noise_probability: float = 0.5
    noise_db: Range = (0.0, 25.0)
    noise_tilt_db: Range = (-26.0, 14.0)
    """How much louder the noise is in the highest band than in the lowest."""
    equaliser_db: float = 6.5
    equaliser_points: int = 6
    band_probability: float = 0.35
    band_low: Range = (0.0, 0.35)
    """Place of the pass band's lower edge among the mel bands."""
    band_high: Range = (0.55, 1.0)
    band_rejection_db: float = 50.0
    gain_db: Range = (-14.0, 5.0)


@dataclass(frozen=True, config=STRICT)
class DistortConfig:
    """Distortions in the place of the augmentation (`augment`), for fingerprints."""

    enabled: bool = False
    video: VideoDistortConfig = field(default_factory=VideoDistortConfig)
    audio: AudioDistortConfig = field(default_factory=AudioDistortConfig)
