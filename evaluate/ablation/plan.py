"""What an ablation consists of: one run for each objective and seed, alike in everything else.

Settings are checked before anything is trained, so that an error shows at once and not after the tenth run.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from evaluate.errors import AblationError
from preprocess.shards.manifest import read_dataset
from train.config.load import OBJECTIVES_DIR, load_config, objective_names
from train.config.schema import Config

logger = logging.getLogger(__name__)

_OWN_KEYS = ("seed", "objective", "data.shards")
"""Settings that the ablation varies or sets itself."""


@dataclass(frozen=True)
class PlannedRun:
    """One run: what it learns from, the seed, its folder and its whole configuration."""

    objective: str
    seed: int
    folder: Path
    config: Config

    @property
    def name(self) -> str:
        """Such as "avid-2", which is also the name of its folder."""
        return self.folder.name


@dataclass(frozen=True)
class Plan:
    """An ablation.

    Attributes:
        name: of its results, such as "ablation".
        folder: of the runs and the results.
        shards: folder of the shard set that all runs learn from and are tested on.
        dataset: name of that set, "test" in results.
        fingerprint: of the shards.
        preset: name or file, under all objectives.
        overrides: `KEY=VALUE`, for all runs.
        runs: objective by objective, seed by seed.
        device: "cpu", "cuda" or "auto".
        jobs: trainings at a time; above 1 each has one CPU thread.
    """

    name: str
    folder: Path
    shards: Path
    dataset: str
    fingerprint: str
    preset: str
    overrides: tuple[str, ...]
    runs: tuple[PlannedRun, ...]
    device: str = "auto"
    jobs: int = 1

    @property
    def objectives(self) -> tuple[str, ...]:
        """Names, in order."""
        return tuple(dict.fromkeys(run.objective for run in self.runs))

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of every objective."""
        return tuple(dict.fromkeys(run.seed for run in self.runs))

    @property
    def steps(self) -> int:
        """Steps of every run."""
        return self.runs[0].config.steps

    @property
    def held_out_split(self) -> str:
        """The split whose test videos no run has seen."""
        return self.runs[0].config.data.split.partition(":")[0]


def make_plan(
    folder: Path,
    shards: Path,
    preset: str,
    objectives: Sequence[str],
    seeds: Sequence[int],
    *,
    name: str = "",
    overrides: Sequence[str] = (),
    device: str = "auto",
    jobs: int = 1,
) -> Plan:
    """Plan the runs of an ablation.

    Args:
        folder: of the runs, each in FOLDER/OBJECTIVE-SEED.
        shards: folder of the shard set.
        preset: under all objectives.
        objectives: names; none for all there are.
        seeds: of every objective.
        name: of the results; the folder's name where there is none.
        overrides: `KEY=VALUE` laid over every run.
        device: of training.
        jobs: trainings at a time.

    Raises:
        AblationError: an unknown objective, no seed, a setting that undoes an objective or is not free to be set.
        train.errors.ConfigError: the preset or a setting is not accepted.
        preprocess.errors.PreprocessError: there are no shards.
    """
    chosen = tuple(dict.fromkeys(objectives)) or objective_names()
    unknown = [objective for objective in chosen if objective not in objective_names()]
    if unknown:
        raise AblationError(f"no objective {', '.join(unknown)}; there are: {', '.join(objective_names())}")
    if not seeds or len(set(seeds)) < len(seeds):
        raise AblationError(f"seeds are different whole numbers such as 0,1,2, not {list(seeds)}")
    if jobs < 1:
        raise AblationError(f"--jobs must be at least 1, not {jobs}")
    taken = [text for text in overrides if text.partition("=")[0].strip() in _OWN_KEYS]
    if taken:
        raise AblationError(f"--set {taken[0]}: an ablation sets this itself; see --seeds, --objectives, --shards")
    info = read_dataset(shards)
    runs = []
    for objective in chosen:
        config = _config(preset, (*overrides, f"data.shards={shards}"), objective)
        runs += [
            PlannedRun(objective, seed, folder / f"{objective}-{seed}", replace(config, seed=seed)) for seed in seeds
        ]
    plan = Plan(
        name or folder.resolve().name, folder, shards, info.dataset, info.fingerprint, preset, tuple(overrides),
        tuple(runs), device, jobs,
    )  # fmt: skip
    if plan.runs[0].config.data.split != f"{plan.held_out_split}:train" or not plan.held_out_split.isdigit():
        raise AblationError(
            f"{preset} trains on {plan.runs[0].config.data.split or 'all videos'}: no split's test videos are held out; "
            "add --set data.split=1:train"
        )
    return plan


def _config(preset: str, overrides: Sequence[str], objective: str) -> Config:
    """Load the settings of an objective and see that they still are what the objective says."""
    config = load_config(preset, overrides, objective)
    if objective == "whole":
        return config
    asked = _flat(yaml.safe_load((OBJECTIVES_DIR / f"{objective}.yaml").read_text(encoding="utf-8")))
    there = _flat(config.as_dict())
    undone = [f"{key} is {there[key]}, {objective} says {value}" for key, value in asked.items() if there[key] != value]
    if undone:
        raise AblationError(f"--set undoes an objective ({'; '.join(undone)}): leave the setting or the objective out")
    if replace(config, objective="whole") == load_config(preset, overrides):
        logger.warning("%s is the same as whole under these settings: what it leaves out is off already", objective)
    return config


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat
