"""Ranges of the random changes of training clips."""

from pydantic.dataclasses import dataclass

from train.config.strict import STRICT


@dataclass(frozen=True, config=STRICT)
class VideoAugmentConfig:
    """Random changes of a training clip's picture, constant over its frames."""

    scale_min: float = 0.4
    """Smallest share of the frame's area that a crop keeps."""
    aspect_max: float = 1.33
    flip_probability: float = 0.5
    grey_probability: float = 0.2
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue_turns: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.scale_min <= 1:
            raise ValueError("augment.scale_min must be a share above 0, 1 at most")


@dataclass(frozen=True, config=STRICT)
class AugmentConfig(VideoAugmentConfig):
    """Random changes of a training clip, constant over its frames and columns."""

    gain_db: float = 6.0
    """Largest change of loudness, up or down."""
    tilt_db: float = 6.0
    """Largest difference that a random spectral slope makes between the lowest and the highest band."""
    mask_mels: int = 8
    """Widest band that is blanked."""
    mask_columns: int = 0
    """Longest run of log-mel columns that is blanked."""
    mix_max: float = 0.0
    """Largest share of another segment's sound in the mixture; below one half."""
    crop_bands: tuple[float, float] = (1.0, 1.0)
    """Range of the share of mel bands that a crop keeps before it is stretched to all of them; 1 at most is kept."""
    crop_columns: tuple[float, float] = (1.0, 1.0)
    """Range of the share of columns that a crop keeps; above 1 blank columns stand around the sound. It changes the pace:
    not beside `loss.speed_audio`."""
    noise: float = 0.0
    """Largest standard deviation of white noise on the normalised log-mel, whose range is [-2, 2]."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.mix_max < 0.5:
            raise ValueError("augment.mix_max must be below 0.5: a clip's own sound is the louder one")
        for name in ("crop_bands", "crop_columns"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"augment.{name} must be two rising shares above 0")
