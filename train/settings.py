"""Where a run's Config comes from: a YAML preset, an objective laid over it, overrides over both."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from train.config import Config
from train.errors import ConfigError

PRESETS_DIR = Path(__file__).parent / "presets"
OBJECTIVES_DIR = Path(__file__).parent / "objectives"


def config_from_dict(values: dict[str, Any], origin: str) -> Config:
    """Check plain values and build the Config.

    Raises:
        ConfigError: an unknown key, a wrong type or a value out of range; every finding is named.
    """
    try:
        return TypeAdapter(Config).validate_python(values)
    except ValidationError as error:
        findings = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'config'}: {e['msg']}" for e in error.errors())
        raise ConfigError(f"{origin}: {findings}") from error


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
    path = Path(preset_or_path)
    if not path.suffix:
        path = PRESETS_DIR / f"{preset_or_path}.yaml"
    values = _read(path, f"no preset or file {str(preset_or_path)!r}; presets: {', '.join(_names(PRESETS_DIR))}")
    if objective != "whole":
        known = ", ".join(objective_names())
        _lay(values, _read(OBJECTIVES_DIR / f"{objective}.yaml", f"no objective {objective!r}; there are: {known}"))
        values["objective"] = objective
    for override in overrides:
        _apply(values, override)
    return config_from_dict(values, str(preset_or_path))


def objective_names() -> tuple[str, ...]:
    """All objectives, the whole method first."""
    return ("whole", *_names(OBJECTIVES_DIR))


def _names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.yaml"))


def _read(path: Path, missing: str) -> dict[str, Any]:
    if not path.is_file():
        raise ConfigError(missing)
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: holds no settings")
    return values


def _lay(values: dict[str, Any], over: dict[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, dict):
            _lay(values.setdefault(key, {}), value)
        else:
            values[key] = value


def _apply(values: dict[str, Any], override: str) -> None:
    keys, equals, text = override.partition("=")
    if not equals:
        raise ConfigError(f"an override reads key.subkey=value, not {override!r}")
    *parents, last = keys.strip().split(".")
    for key in parents:
        values = values.setdefault(key, {})
        if not isinstance(values, dict):
            raise ConfigError(f"{override!r}: {key} holds a value, not a group of settings")
    values[last] = yaml.safe_load(text)
