"""Ranges of the distortions that a fingerprint must survive."""

from dataclasses import field

from pydantic.dataclasses import dataclass

from train.config import STRICT

Range = tuple[float, float]
"""Lowest and highest value; the draw between them is uniform unless the setting says otherwise."""


@dataclass(frozen=True, config=STRICT)
class VideoDistortConfig:
    """Distortions of a clip's frames; all but the noise are the same in every frame."""

    shown: Range = (0.55, 1.35)
    """Side of the visible square, in sides of the frame, log-uniform: below 1 a crop, above 1 the frame with a border."""
    shown_probability: float = 0.75
    inset_probability: float = 0.15
    """Probability of picture in picture: the frame, reduced, lies over another clip."""
    inset: Range = (0.4, 0.8)
    """Side of the small frame, in sides of the view, log-uniform."""
    aspect_max: float = 1.35
    rotation_degrees: float = 17.0
    rotation_probability: float = 0.4
    quarter_turn_probability: float = 0.1
    flip_probability: float = 0.5
    upside_down_probability: float = 0.15
    """Probability of a vertical flip; with a horizontal one it is a rotation by 180 degrees."""
    border_other: float = 0.3
    """Share of clips whose border shows another clip."""
    border_black: float = 0.4
    """Share of clips whose border is black; the rest have a flat colour."""
    rectangles: int = 2
    """Number of rectangles that may cover part of a clip, each with the probability below; half show another clip."""
    rectangle_probability: float = 0.25
    rectangle_height: Range = (0.06, 0.37)
    """In sides of the view, like the width."""
    rectangle_width: Range = (0.12, 0.78)
    hue_turns: float = 0.3
    hue_probability: float = 0.5
    saturation: Range = (0.4, 1.7)
    grey_probability: float = 0.15
    contrast: Range = (0.5, 1.5)
    brightness: float = 50.0
    """Largest change, up or down, in grey levels of 255."""
    gamma_max: float = 1.5
    blur_probability: float = 0.3
    blur_sides: tuple[float, ...] = (0.25, 0.375, 0.5, 0.625)
    """A blurred clip is scaled down to one of these sides, in sides of the view, and up again."""
    noise: float = 30.0
    """Largest standard deviation of white noise, in grey levels."""
    noise_probability: float = 0.4


@dataclass(frozen=True, config=STRICT)
class AudioDistortConfig:
    """Distortions of a clip's audio, applied to log-mel power."""

    pitch_max: float = 1.19
    """Largest ratio of a pitch change, up or down, log-uniform."""
    pitch_follows_pace: float = 0.5
    """Probability that pitch and speed change together, as on a tape played faster."""
    reverb_probability: float = 0.3
    reverb_columns: Range = (1.0, 8.0)
    """Columns after which the reverb has fallen to 1/e."""
    reverb_share: Range = (0.05, 0.5)
    mix_probability: float = 0.5
    mix_db: Range = (0.0, 20.0)
    """Power of the clip relative to the audio that is mixed in."""
    noise_probability: float = 0.5
    noise_db: Range = (0.0, 25.0)
    noise_tilt_db: Range = (-26.0, 14.0)
    """Level of the noise in the highest band relative to the lowest."""
    equaliser_db: float = 6.5
    equaliser_points: int = 6
    band_probability: float = 0.35
    band_low: Range = (0.0, 0.35)
    """Lower edge of the pass band, as a fraction of the mel bands."""
    band_high: Range = (0.55, 1.0)
    band_rejection_db: float = 50.0
    gain_db: Range = (-14.0, 5.0)


@dataclass(frozen=True, config=STRICT)
class DistortConfig:
    """Distortions that replace the augmentation (`augment`), for fingerprints."""

    enabled: bool = False
    video: VideoDistortConfig = field(default_factory=VideoDistortConfig)
    audio: AudioDistortConfig = field(default_factory=AudioDistortConfig)
