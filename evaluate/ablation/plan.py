"""The plan of an ablation: one run for each objective and seed, equal in everything else.

Settings are checked before anything is trained, so that an error shows at once and not after the tenth run.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from evaluate.errors import AblationError
from preprocess.shards.manifest import DatasetInfo, read_dataset
from train.config.load import OBJECTIVES_DIR, load_config, objective_names
from train.config.schema import Config

logger = logging.getLogger(__name__)

_OWN_KEYS = ("seed", "objective", "data.shards")
"""Settings that the ablation varies or sets itself."""


@dataclass(frozen=True)
class PlannedRun:
    """One run: its objective, seed, folder and whole configuration."""

    objective: str
    seed: int
    folder: Path
    config: Config

    @property
    def name(self) -> str:
        """Name of the run and its folder, such as "avid-2"."""
        return self.folder.name


@dataclass(frozen=True)
class Options:
    """The user's choices: a folder for runs in FOLDER/OBJECTIVE-SEED and results, a preset's name or file, `KEY=VALUE`.

    Without objectives, all. `jobs` are trainings at a time; above 1 each has one CPU thread.
    """

    folder: Path
    shards: Path
    preset: str
    objectives: Sequence[str] = ()
    seeds: Sequence[int] = (0, 1, 2)
    overrides: Sequence[str] = ()
    device: str = "auto"
    jobs: int = 1


@dataclass(frozen=True)
class Plan:
    """An ablation: the user's choices with all objectives named, runs objective by objective, seed by seed, and shards."""

    options: Options
    runs: tuple[PlannedRun, ...]
    shards: DatasetInfo

    @property
    def steps(self) -> int:
        """Steps of every run."""
        return self.runs[0].config.steps

    @property
    def held_out_split(self) -> str:
        """The split whose test videos no run has seen."""
        return self.runs[0].config.data.split.partition(":")[0]


def make_plan(options: Options) -> Plan:
    """Plan the runs of an ablation; PreprocessError without shards, ConfigError if preset or setting is not accepted.

    AblationError for an unknown objective, no seed, or a setting that undoes an objective or is not free to be set.
    """
    chosen = tuple(dict.fromkeys(options.objectives)) or objective_names()
    if unknown := set(chosen) - set(objective_names()):
        raise AblationError(f"no objective {', '.join(sorted(unknown))}; there are: {', '.join(objective_names())}")
    if not options.seeds or len(set(options.seeds)) < len(options.seeds):
        raise AblationError(f"--seeds takes different whole numbers such as 0,1,2, not {list(options.seeds)}")
    if options.jobs < 1:
        raise AblationError(f"--jobs must be at least 1, not {options.jobs}")
    if taken := [text for text in options.overrides if text.partition("=")[0].strip() in _OWN_KEYS]:
        raise AblationError(f"--set {taken[0]}: an ablation sets this itself; see --seeds, --objectives, --shards")
    shards = read_dataset(options.shards)
    overrides = (*options.overrides, f"data.shards={options.shards}")
    configs = {name: _config(options.preset, overrides, name) for name in chosen}
    runs = tuple(
        PlannedRun(name, seed, options.folder / f"{name}-{seed}", replace(config, seed=seed))
        for name, config in configs.items()
        for seed in options.seeds
    )
    plan = Plan(replace(options, objectives=chosen), runs, shards)
    trained_on = runs[0].config.data.split
    if trained_on != f"{plan.held_out_split}:train" or not plan.held_out_split.isdigit():
        raise AblationError(
            f"{options.preset} trains on {trained_on or 'all videos'}: no split's test videos are held out; "
            "add --set data.split=1:train"
        )
    return plan


def _config(preset: str, overrides: Sequence[str], objective: str) -> Config:
    """Load the settings of an objective; check that the preset is the whole method's and no override undoes the objective."""
    whole, config = load_config(preset, overrides), load_config(preset, overrides, objective)
    if whole.objective != "whole":
        raise AblationError(
            f"{preset} lacks terms, its objective is {whole.objective}: give a preset of the whole method"
        )
    if objective == "whole":
        return config
    own, there = yaml.safe_load((OBJECTIVES_DIR / f"{objective}.yaml").read_text(encoding="utf-8")), config.as_dict()
    undone = [
        f"{group}.{key} is {there[group][key]}, {objective} says {value}"
        for group, values in own.items() for key, value in values.items() if there[group][key] != value
    ]  # fmt: skip
    if undone:
        raise AblationError(f"--set undoes an objective ({'; '.join(undone)}): leave the setting or the objective out")
    if replace(config, objective="whole") == whole:
        logger.warning("%s is the same as whole under these settings: what it leaves out is off already", objective)
    return config
