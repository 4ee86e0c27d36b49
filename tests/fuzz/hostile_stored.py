"""Stores, checkpoints and exports made to mislead: odd attributes, cells, values and weights, and a pickle that acts."""

import json
import pickle
import zipfile
from pathlib import Path

import numpy as np

from tests.fuzz.hostile import ANY, JSON, Craft, Trap, pick, planted_links
from tests.fuzz.mutate import mutate_values


def odd_attributes(folder: Path, rng: np.random.Generator, canary: Path) -> None:
    """An attribute of a store that holds something odd."""
    import h5py

    with h5py.File(pick(folder, "*.h5", rng), "r+") as file:
        name = sorted(file.attrs)[rng.integers(len(file.attrs))]
        values = ("", "x", canary.name, -1, 2**62, 0.5, np.zeros(3), h5py.Empty("f4"), b"\xff", np.nan, "{", "[]")
        file.attrs[name] = values[rng.integers(len(values))]


def odd_cells(folder: Path, rng: np.random.Generator, canary: Path) -> None:
    """A row of a store's column that holds something odd of its type."""
    del canary
    import h5py

    with h5py.File(pick(folder, "*.h5", rng), "r+") as file:
        columns = [name for name in file if isinstance(file[name], h5py.Dataset)]
        column = file[columns[rng.integers(len(columns))]]
        texts = (b"\xff", b"", b"{", b"[]", b"a\0b")
        odd = {"f": (np.nan, np.inf, -1.0), "i": (-1, 2**62), "b": (True, False), "S": texts}
        choices = odd[column.dtype.kind]
        column[int(rng.integers(len(column)))] = choices[rng.integers(len(choices))]


def trapped_checkpoint(folder: Path, rng: np.random.Generator, canary: Path) -> None:
    """A checkpoint whose pickle runs a command."""
    path = pick(folder, "*.pt", rng)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, pickle.dumps(Trap(canary)) if name.endswith("data.pkl") else data)


def odd_checkpoint(folder: Path, rng: np.random.Generator, canary: Path) -> None:
    """A checkpoint of which one value is odd."""
    import torch

    path = pick(folder, "*.pt", rng)
    values = torch.load(path, weights_only=True)
    tensors = values.pop("model")
    changed = mutate_values(values, rng, str(canary))
    if isinstance(changed, dict):
        changed["model"] = _odd_tensors(tensors, rng)
    torch.save(changed, path)


def _odd_tensors(tensors: "dict[str, object]", rng: np.random.Generator) -> object:
    import torch

    names = sorted(tensors)
    if (choice := rng.integers(12)) == 0:
        return [None, "x", {}, {1: 2}, {"encoders.x": 3}][rng.integers(5)]
    if choice == 1:
        tensors[names[rng.integers(len(names))]] = torch.zeros(3, 3, dtype=torch.int8)
    if choice == 2:
        del tensors[names[rng.integers(len(names))]]
    return tensors


def odd_export(folder: Path, rng: np.random.Generator, canary: Path) -> None:
    """An export that describes itself oddly; the checksum of what it says of itself fits."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    from train.export.export import CONFIG_NAME, WEIGHTS_NAME, _config_sha256

    path = pick(folder, CONFIG_NAME, rng)
    weights = path.with_name(WEIGHTS_NAME)
    info = mutate_values(json.loads(path.read_text()), rng, str(canary))
    path.write_text(json.dumps(info))
    with safe_open(weights, framework="pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, weights, metadata | {"config_sha256": _config_sha256(info)})


STORE: tuple[Craft, ...] = (odd_attributes, odd_cells, *ANY)
CHECKPOINT: tuple[Craft, ...] = (
    planted_links,
    trapped_checkpoint,
    odd_checkpoint,
    odd_checkpoint,
    odd_checkpoint,
    *ANY,
)
EXPORT: tuple[Craft, ...] = (odd_export, odd_export, *JSON)
