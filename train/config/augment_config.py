"""Ranges of the random augmentation of training clips."""

from typing import Annotated

from pydantic import Field, NonNegativeFloat, NonNegativeInt
from pydantic.dataclasses import dataclass

from train.config import STRICT, PositiveRange, Probability, RatioMax


@dataclass(frozen=True, config=STRICT)
class VideoAugmentConfig:
    """Augmentation of a training clip's frames; one draw per clip."""

    scale_min: Annotated[float, Field(gt=0, le=1)] = 0.4
    """Smallest share of the frame's area that a crop keeps."""
    aspect_max: RatioMax = 1.33
    flip_probability: Probability = 0.5
    grey_probability: Probability = 0.2
    brightness: NonNegativeFloat = 0.4
    contrast: NonNegativeFloat = 0.4
    saturation: NonNegativeFloat = 0.4
    hue_turns: NonNegativeFloat = 0.1


@dataclass(frozen=True, config=STRICT)
class AugmentConfig(VideoAugmentConfig):
    """Augmentation of a training clip's frames and log-mel; one draw per clip."""

    gain_db: NonNegativeFloat = 6.0
    """Largest change of level, up or down."""
    tilt_db: NonNegativeFloat = 6.0
    """Largest level difference between the lowest and the highest band that a random spectral slope adds."""
    mask_mels: NonNegativeInt = 8
    """Largest number of neighbouring mel bands that are blanked."""
    mask_columns: NonNegativeInt = 0
    """Largest number of neighbouring log-mel columns that are blanked."""
    mix_max: float = 0.0
    """Largest share of another segment's audio in the mixture; below one half."""
    crop_bands: PositiveRange = (1.0, 1.0)
    """Range of the share of mel bands that a crop keeps; the crop is then stretched to all bands. Shares above 1 act as 1."""
    crop_columns: PositiveRange = (1.0, 1.0)
    """Range of the share of columns that a crop keeps; above 1 the audio is padded with blank columns. It changes the
    speed of the audio, so it excludes `loss.speed_audio`."""
    noise: NonNegativeFloat = 0.0
    """Largest standard deviation of white noise on the normalised log-mel, which lies in [-2, 2]."""

    def __post_init__(self) -> None:
        if not 0 <= self.mix_max < 0.5:
            raise ValueError("augment.mix_max must be below 0.5: a clip's own audio must stay the louder one")
