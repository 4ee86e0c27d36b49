"""The configuration of a run: one frozen dataclass per concern, unknown keys refused. `train.config.load` reads it."""

from dataclasses import field, fields
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, TypeAdapter
from pydantic.dataclasses import dataclass

from train.config import STRICT
from train.config.augment_config import AugmentConfig
from train.config.clip_config import ClipConfig
from train.config.distort_config import DistortConfig

VideoEncoder = Literal["tiny", "r2plus1d_18", "r3d_18", "s3d"]
AudioEncoder = Literal["tiny", "resnet18"]
BatchSize = Annotated[int, Field(ge=2)]
"""Batch norm over one row fails, and one segment has no other to be told from."""
Seed = Annotated[int, Field(ge=0, lt=1 << 63)]
"""What torch's generators take."""


@dataclass(frozen=True, config=STRICT)
class SegmentsConfig:
    """Where segments come from and how they reach the device, in every training."""

    shards: str = "shards/sample"
    split: str = ""
    """`"1:train"` keeps the training part of official split 1, `"fold:2,3,4,5"` four folds; empty keeps everything."""
    batch_size: BatchSize = 32
    """Segments per rank and step; two at least, for batch norm and for contrast."""
    frame_px: PositiveInt = 128
    """Side of the square frames that the loader gives, before the random crop."""
    num_threads: PositiveInt = 2


class RunConfig:
    """What every training's configuration says: pretraining's, fine-tuning's, a baseline's."""

    seed: int
    steps: int
    log_every: int
    checkpoint_every: int
    data: SegmentsConfig
    optim: "OptimConfig"

    def as_dict(self) -> dict[str, Any]:
        """Give plain values (lists, not tuples), as saved with the run."""
        values: dict[str, Any] = TypeAdapter(type(self)).dump_python(self, mode="json")
        return values

    def flat(self) -> dict[str, Any]:
        """Give plain values by dotted name, such as "optim.lr"."""

        def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
            result: dict[str, Any] = {}
            for key, value in values.items():
                result |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
            return result

        return flatten(self.as_dict())

    def to_yaml(self) -> str:
        """Write the YAML that reads back to an equal configuration."""
        return yaml.safe_dump(self.as_dict(), sort_keys=False)


@dataclass(frozen=True, config=STRICT)
class DataConfig(SegmentsConfig):
    """Segments for pretraining."""

    window_frames: PositiveInt = 125
    """Frames of a segment that the loader gives; clips are cut out of these."""


@dataclass(frozen=True, config=STRICT)
class ModelConfig:
    """Encoders and the heads on them."""

    video: VideoEncoder = "r2plus1d_18"
    audio: AudioEncoder = "resnet18"
    tiny_width: PositiveInt = 16
    tiny_audio_stride: PositiveInt = 1
    """Stride in log-mel columns of the tiny audio encoder's first layer; 2 suits hops of 10 ms."""
    tiny_audio_pool: Literal["last", "stages"] = "last"
    """Stages whose activations the tiny audio encoder pools into features: the last, or all."""
    projection_hidden: PositiveInt = 512
    projection_dim: PositiveInt = 128
    head_hidden: PositiveInt = 512

    def refuse_small(self, n_frames: int, crop_px: int) -> None:
        """Refuse clips of which nothing is left for the last pooling of s3d; the other encoders take any.

        Raises:
            ValueError: it names the settings.
        """
        if self.video == "s3d" and (n_frames < 5 or crop_px < 17):
            raise ValueError(
                "model.video s3d needs clip.n_frames of 5 and clip.crop_px of 17 at least, or choose another"
            )


@dataclass(frozen=True, config=STRICT)
class LossConfig:
    """Weights of the terms; a term of weight 0 is not computed."""

    temperature: PositiveFloat = 0.1
    video_video: NonNegativeFloat = 1.0
    video_audio: NonNegativeFloat = 1.0
    audio_audio: NonNegativeFloat = 0.0
    """Between the audio of the two views. Not in the paper: it serves sources without video."""
    speed_video: NonNegativeFloat = 1.0
    speed_audio: NonNegativeFloat = 1.0
    direction_video: NonNegativeFloat = 1.0
    direction_audio: NonNegativeFloat = 1.0
    order_video: NonNegativeFloat = 1.0
    order_audio: NonNegativeFloat = 1.0
    order_video_audio: NonNegativeFloat = 1.0

    def terms_of(self, modality: Literal["video", "audio"]) -> list[str]:
        """Name the terms with a weight above 0 that read the modality's encoder."""
        return [term for term in TERMS if modality in term and getattr(self, term) > 0]


TERMS = tuple(each.name for each in fields(LossConfig) if each.name != "temperature")
"""All terms of the objective."""
TEMPORAL_TERMS = (
    "speed_video", "speed_audio", "direction_video", "direction_audio", "order_video", "order_audio",
    "order_video_audio",
)  # fmt: skip
"""Terms whose labels come from the plan of the views."""


@dataclass(frozen=True, config=STRICT)
class BankConfig:
    """The bank of past embeddings, and how extra positives and negatives are drawn from it."""

    size: PositiveInt = 16_384
    positives: Literal["none", "nearest", "consensus"] = "nearest"
    negatives: Literal["none", "ranked", "random"] = "ranked"
    n_positives: NonNegativeInt = 2
    positive_ranks: NonNegativeInt = 5
    """Positives are drawn from ranks [0, positive_ranks)."""
    n_negatives: NonNegativeInt = 256
    negative_rank_low: NonNegativeInt = 64
    negative_rank_high: PositiveInt = 2048
    """Ranked negatives are drawn from ranks [negative_rank_low, negative_rank_high), random ones from the whole bank."""
    warmup_steps: NonNegativeInt = 1000
    """Steps before the bank is drawn from."""


@dataclass(frozen=True, config=STRICT)
class OptimConfig:
    """Optimiser, schedule and precision."""

    lr: PositiveFloat = 3e-4
    weight_decay: NonNegativeFloat = 1e-4
    warmup_steps: NonNegativeInt = 500
    final_lr_fraction: NonNegativeFloat = 0.02
    clip_grad_norm: PositiveFloat = 5.0
    accumulate: PositiveInt = 1
    precision: Literal["fp32", "bf16"] = "fp32"
    channels_last: bool = False


@dataclass(frozen=True, config=STRICT)
class HeldoutConfig:
    """Segments that the training does not see, on which the temporal heads are evaluated."""

    split: str = ""
    """The other part of `data.split`, such as `"1:test"`; empty switches this off."""
    every: NonNegativeInt = 0
    """Steps from one evaluation to the next; 0 evaluates after the last step only."""
    n_batches: PositiveInt = 32
    """Batches of `data.batch_size` segments per evaluation."""


@dataclass(frozen=True, config=STRICT)
class Config(RunConfig):
    """A whole pretraining run."""

    name: str = "unnamed"
    objective: str = "whole"
    """Name of the objective laid over the preset: which terms count, and how the bank is used."""
    seed: Seed = 0
    steps: PositiveInt = 100_000
    log_every: PositiveInt = 50
    checkpoint_every: PositiveInt = 1000
    data: DataConfig = field(default_factory=DataConfig)
    clip: ClipConfig = field(default_factory=ClipConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    distort: DistortConfig = field(default_factory=DistortConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    bank: BankConfig = field(default_factory=BankConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    heldout: HeldoutConfig = field(default_factory=HeldoutConfig)

    def __post_init__(self) -> None:
        if not any(getattr(self.loss, term) for term in TERMS):
            raise ValueError("loss: no term has a weight above 0, nothing would be learnt")
        if self.data.window_frames < self.clip.shortest_window_frames:
            raise ValueError(f"data.window_frames must hold a clip, {self.clip.shortest_window_frames} frames")
        if self.data.frame_px < self.clip.crop_px:
            raise ValueError("clip.crop_px is cut out of data.frame_px: it must not be larger")
        if self.loss.terms_of("video"):
            self.model.refuse_small(self.clip.n_frames, self.clip.crop_px)
        if self.distort.enabled and self.data.frame_px != self.clip.crop_px:
            raise ValueError("distort.enabled takes whole frames: data.frame_px and clip.crop_px must be equal")
        self._check_temporal_terms()
        self._check_ranks()

    def _check_temporal_terms(self) -> None:
        temporal = [f"loss.{name}" for name in TEMPORAL_TERMS if getattr(self.loss, name)]
        if self.clip.views == "same_moment" and temporal:
            raise ValueError(
                "clip.views: two views of the same moment have no speed, direction or order to predict; set to 0: "
                + ", ".join(temporal)
            )
        least = (self.clip.n_frames - 1) * self.clip.base_stride * self.clip.speeds[:2][-1] + 1
        if any("speed" in name for name in temporal) and (len(self.clip.speeds) < 2 or least > self.data.window_frames):
            raise ValueError(
                f"loss.speed_* tells clip.speeds apart: name two at least, and give data.window_frames the {least} frames "
                "of the second slowest; or set loss.speed_video and loss.speed_audio to 0"
            )
        if any("order" in name for name in temporal) and 2 * self.clip.clock_frames > self.data.window_frames:
            raise ValueError(
                f"loss.order_* needs two clips one after the other: {2 * self.clip.clock_frames} frames do not fit in "
                "data.window_frames; raise it, lower clip.n_frames, or set loss.order_* to 0"
            )
        if not self.clip.balanced_order and any(name.startswith("loss.order") for name in temporal):
            raise ValueError("clip.balanced_order must be true where a loss.order_* term has a weight above 0")
        if any("direction" in name for name in temporal) and not 0 < self.clip.reverse_probability < 1:
            raise ValueError(
                "loss.direction_* tells two directions apart: clip.reverse_probability must be between 0 and 1"
            )
        if self.distort.enabled and self.loss.speed_audio:
            raise ValueError(
                "distort.enabled changes the pitch with the speed that loss.speed_audio predicts: reset one"
            )
        if self.augment.crop_columns != (1.0, 1.0) and self.loss.speed_audio:
            raise ValueError("augment.crop_columns changes the speed that loss.speed_audio predicts: reset one of them")

    def _check_ranks(self) -> None:
        bank = self.bank
        ranked = bank.negatives == "ranked"
        if ranked and not bank.negative_rank_low < bank.negative_rank_high <= bank.size:
            raise ValueError("bank: negative_rank_low < negative_rank_high <= size must hold")
        if bank.positive_ranks < bank.n_positives:
            raise ValueError("bank.n_positives must not exceed bank.positive_ranks, the ranks that they are drawn from")
        if ranked and bank.n_negatives > bank.negative_rank_high - bank.negative_rank_low:
            raise ValueError(
                "bank.n_negatives must not exceed the number of ranks from negative_rank_low to negative_rank_high"
            )
        if bank.positives != "none" and bank.positive_ranks > (bank.negative_rank_low if ranked else bank.size):
            raise ValueError(
                "bank.positive_ranks must not exceed bank.size, nor, where negatives are ranked, negative_rank_low: one "
                "neighbour would be both positive and negative"
            )
