"""Which terms of the objective can be trained on a shard set."""

from preprocess.schema import Media
from train.config.schema import TERMS, Config
from train.errors import ConfigError


def refuse_blind(config: Config, media: Media) -> None:
    """Refuse terms that read video if the shards hold audio only.

    Raises:
        ConfigError: a term that reads video has a weight above 0; every such setting is named.
    """
    asked = [f"loss.{name}" for name in TERMS if "video" in name and getattr(config.loss, name) > 0]
    if media == "audio" and asked:
        raise ConfigError(
            f"{config.data.shards} holds audio only, but these terms read video: {', '.join(asked)}. Set them to 0, "
            "or take a preset for audio, such as esc50"
        )
