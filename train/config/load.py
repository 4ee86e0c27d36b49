"""Read a configuration: a YAML preset, an objective laid over it, `key.subkey=value` overrides over both.

OmegaConf merges the layers; pydantic then checks the result against a dataclass, which refuses unknown settings.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from train.config.schema import Config
from train.errors import ConfigError, TrainError

PRESETS_DIR = Path(__file__).parent / "presets"
OBJECTIVES_DIR = Path(__file__).parent / "objectives"

Checked = TypeVar("Checked")


def load_config(preset_or_path: str | Path, overrides: Sequence[str] = (), objective: str = "whole") -> Config:
    """Read a preset or a YAML file, lay an objective over it, and `key.subkey=value` overrides over both.

    Args:
        preset_or_path: a name in `train/config/presets`, or a YAML file.
        overrides: settings that have the last word.
        objective: a name in `train/config/objectives`: the whole method, a rival's, or the method without one of its
            terms. It switches terms off, and draws from the bank as it says; terms that stay keep the preset's weights.

    Raises:
        ConfigError: no such preset, objective or file, or its settings are not accepted.
    """
    if any(override.startswith("objective=") for override in overrides):
        raise ConfigError("an objective is laid over the settings before the others: give --objective NAME")
    layers: list[Path | dict[str, Any]] = [preset_path(preset_or_path, PRESETS_DIR)]
    if objective != "whole":
        path = OBJECTIVES_DIR / f"{objective}.yaml"
        if not path.is_file():
            raise ConfigError(f"no objective {objective!r}; there are: {', '.join(objective_names())}")
        layers += [path, {"objective": objective}]
    return check(Config, merge_settings(*layers, *overrides), str(preset_or_path))


def objective_names() -> tuple[str, ...]:
    """All objectives, the whole method first."""
    return ("whole", *preset_names(OBJECTIVES_DIR))


def preset_names(folder: Path) -> list[str]:
    """Names of the YAML files in a folder, sorted."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def preset_path(preset_or_path: str | Path, folder: Path) -> Path:
    """Find a preset of a folder by its name, or a YAML file.

    Raises:
        ConfigError: neither is there.
    """
    path = Path(preset_or_path)
    if not path.suffix:
        path = folder / f"{preset_or_path}.yaml"
    if not path.is_file():
        raise ConfigError(f"no preset or file {str(preset_or_path)!r}; presets: {', '.join(preset_names(folder))}")
    return path


def merge_settings(*layers: Path | dict[str, Any] | str) -> dict[str, Any]:
    """Lay settings over each other, group by group; the last layer wins.

    Args:
        layers: YAML files, plain values, and overrides such as "optim.lr=1e-4".

    Raises:
        ConfigError: a layer cannot be read as settings.
    """
    from omegaconf import OmegaConf  # `--help` does without its 0.3 s
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    values = OmegaConf.create()
    for layer in layers:
        if isinstance(layer, str) and "=" not in layer:
            raise ConfigError(f"an override reads key.subkey=value, not {layer!r}")
        try:
            if isinstance(layer, Path):
                over = OmegaConf.load(layer)
            else:
                over = OmegaConf.from_dotlist([layer]) if isinstance(layer, str) else OmegaConf.create(layer)
            values.merge_with(over)
        except (OmegaConfBaseException, YAMLError, OSError, UnicodeError, TypeError) as error:
            said = " ".join(str(error).split())
            raise ConfigError(f"{layer} does not hold settings in YAML ({said})") from error
    plain: dict[str, Any] = OmegaConf.to_container(values)  # type: ignore[assignment]
    return plain


def check(kind: type[Checked], values: dict[str, Any], origin: str, error: type[TrainError] = ConfigError) -> Checked:
    """Check plain values and build the dataclass `kind` from them.

    Args:
        kind: of the result.
        values: by field name.
        origin: where they come from, for the message.
        error: what is raised.

    Raises:
        ConfigError: or `error`: an unknown key, a wrong type or a value out of range. Every finding is named.
    """
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as found:
        findings = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'config'}: {e['msg']}" for e in found.errors())
        raise error(f"{origin}: {findings}") from found
