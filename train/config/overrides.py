"""Settings as YAML: read, laid over each other, overridden one by one, and checked against a dataclass; unknown keys refused."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from train.errors import ConfigError

Checked = TypeVar("Checked")


def check(kind: type[Checked], values: dict[str, Any], origin: str) -> Checked:
    """Check plain values and build the dataclass `kind`.

    Raises:
        ConfigError: an unknown key, a wrong type or a value out of range; every finding is named, and the origin.
    """
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        findings = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'config'}: {e['msg']}" for e in error.errors())
        raise ConfigError(f"{origin}: {findings}") from error


def preset_names(folder: Path) -> list[str]:
    """Names of the YAML files in a folder, sorted."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def read_preset(preset_or_path: str | Path, folder: Path) -> dict[str, Any]:
    """The settings of a preset in `folder`, or of a YAML file.

    Raises:
        ConfigError: neither is there, or it holds no settings.
    """
    path = Path(preset_or_path)
    if not path.suffix:
        path = folder / f"{preset_or_path}.yaml"
    return read_yaml(path, f"no preset or file {str(preset_or_path)!r}; presets: {', '.join(preset_names(folder))}")


def read_yaml(path: Path, missing: str) -> dict[str, Any]:
    """The settings of a file; `missing` is what is said where there is none.

    Raises:
        ConfigError: no such file, or it holds no settings.
    """
    if not path.is_file():
        raise ConfigError(missing)
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: holds no settings")
    return values


def lay(values: dict[str, Any], over: dict[str, Any]) -> None:
    """Lay settings over others, key by key, groups inside groups.

    Raises:
        ConfigError: a group would come over a value.
    """
    for key, value in over.items():
        if isinstance(value, dict):
            lay(_group(values, key), value)
        else:
            values[key] = value


def apply_override(values: dict[str, Any], override: str) -> None:
    """Lay one `key.subkey=value` over.

    Raises:
        ConfigError: it does not read so, or names a group inside a value.
    """
    keys, equals, text = override.partition("=")
    if not equals:
        raise ConfigError(f"an override reads key.subkey=value, not {override!r}")
    *parents, last = keys.strip().split(".")
    for key in parents:
        values = _group(values, key)
    try:
        values[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{override!r}: the value is not YAML ({' '.join(str(error).split())})") from error


def _group(values: dict[str, Any], key: str) -> dict[str, Any]:
    """The settings under a key; an empty group where there is none yet."""
    group = values.setdefault(key, {})
    if not isinstance(group, dict):
        raise ConfigError(f"{key} holds a value, not a group of settings")
    return group
