"""Which terms of the objective a shard set can feed."""

from preprocess.schema import Media
from train.config.schema import TERMS, Config
from train.errors import ConfigError


def refuse_blind(config: Config, media: Media) -> None:
    """Refuse to train on pictures where the shards hold none.

    Raises:
        ConfigError: a term that reads pictures has a weight above 0; every such setting is named.
    """
    asked = [f"loss.{name}" for name in TERMS if "video" in name and getattr(config.loss, name) > 0]
    if media == "audio" and asked:
        raise ConfigError(
            f"{config.data.shards} holds audio only, but these terms read pictures: {', '.join(asked)}. Set them to 0, "
            "or take a preset for sound, such as esc50"
        )
