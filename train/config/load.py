"""Where a run's Config comes from: a YAML preset, an objective laid over it, overrides over both."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from train.config.overrides import apply_override, check, lay, preset_names, read_preset, read_yaml
from train.config.schema import Config

PRESETS_DIR = Path(__file__).parent / "presets"
OBJECTIVES_DIR = Path(__file__).parent / "objectives"


def config_from_dict(values: dict[str, Any], origin: str) -> Config:
    """Check plain values and build the Config.

    Raises:
        ConfigError: an unknown key, a wrong type or a value out of range; every finding is named.
    """
    return check(Config, values, origin)


def load_config(preset_or_path: str | Path, overrides: Sequence[str] = (), objective: str = "whole") -> Config:
    """A preset by name, or a YAML file, an objective laid over it, and `key.subkey=value` overrides over both.

    Args:
        preset_or_path: a name in `train/presets`, or a YAML file.
        overrides: settings that have the last word.
        objective: a name in `train/objectives`: the whole method, a rival's, or the method without one of its terms.
            It only switches off, so that the terms that stay keep the preset's weights.

    Raises:
        ConfigError: no such preset, objective or file, or what it says cannot be a Config.
    """
    values = read_preset(preset_or_path, PRESETS_DIR)
    if objective != "whole":
        known = ", ".join(objective_names())
        lay(values, read_yaml(OBJECTIVES_DIR / f"{objective}.yaml", f"no objective {objective!r}; there are: {known}"))
        values["objective"] = objective
    for override in overrides:
        apply_override(values, override)
    return config_from_dict(values, str(preset_or_path))


def objective_names() -> tuple[str, ...]:
    """All objectives, the whole method first."""
    return ("whole", *preset_names(OBJECTIVES_DIR))
