"""Damage to one file, drawn from a seeded generator: changed bytes, odd values in JSON and checkpoints, hostile links.

The canary is a file outside the folder that hostile paths and pickles lead to.
"""

import json
import os
import pickle
import zipfile
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np

Rng = np.random.Generator
Craft = tuple[str, Callable[[Path, Rng, Path], object]]
"""Which paths it can change, for `Path.glob`; and a function that, given one, a generator and the canary, changes it."""
_EXTREMES = (
    bytes(8), b"\xff" * 8, b"\x7f" + b"\xff" * 7, b"\x00\x00\x00\x80" * 2, b"\xff\xff\xff\x7f" * 2, b"\x01" + bytes(7),
)  # fmt: skip
"""Zeros, ones, and the largest and smallest numbers of four and eight bytes."""
MAX_SPAN_BYTES = 256


def _place(data: bytes, rng: Rng) -> int:
    """Choose a byte; half of the time near the beginning or the end, where headers and indexes stand."""
    edge, n = int(rng.integers(1, 513)), max(len(data), 1)
    choices = (rng.integers(edge), n - 1 - rng.integers(edge), rng.integers(n), rng.integers(n))
    return int(np.clip(choices[rng.integers(4)], 0, n - 1))


def _mutated_once(data: bytes, rng: Rng) -> bytes:
    """Flip bits, truncate, or replace a piece: by an extreme, random bytes, nothing, repeats, or another piece."""
    if not data:
        return b"\0"
    flipped = bytearray(data)
    for _ in range(int(2 ** rng.uniform(0, 5))):
        flipped[_place(data, rng)] ^= 1 << int(rng.integers(8))
    start, there, n_bytes = _place(data, rng), _place(data, rng), int(2 ** rng.uniform(0, np.log2(MAX_SPAN_BYTES)))
    piece, other = data[start : start + n_bytes], data[there : there + n_bytes]
    extreme = _EXTREMES[rng.integers(len(_EXTREMES))][: int(rng.integers(1, 9))]
    pieces = (rng.bytes(len(piece)), b"", piece * int(rng.integers(2, 10)), other)
    choices = (
        bytes(flipped),
        data[:start],
        (data[:start] + extreme + data[start + len(extreme) :])[: len(data)],
        *(data[:start] + new + data[start + len(piece) :] for new in pieces),
    )
    return choices[rng.integers(len(choices))]


def mutated(data: bytes, rng: Rng) -> bytes:
    """Return other bytes: one to three mutations, one after another."""
    changed = data
    while changed == data:
        for _ in range(int(rng.integers(1, 4))):
            changed = _mutated_once(changed, rng)
    return changed


def mutate_bytes(path: Path, rng: Rng, _: Path) -> None:
    """Mutate a file's bytes."""
    path.write_bytes(mutated(path.read_bytes(), rng))


def _odd_values(canary: object) -> list[Any]:
    """Return values that JSON may hold and few readers expect."""
    deep: Any = 0
    for _ in range(200):
        deep = [deep]
    return [
        None, True, -1, 0, 1, 2**31, 2**63, 2**70, -(2**70), 0.5, -0.0, 1e308, float("nan"), float("inf"), "", "x",
        "\0", "\ud800", "../../canary", str(canary), "x" * 5000, [], {}, [None], [[]], {"x": None}, {"": {}}, deep,
        [1] * 1000, "1", "nan", "1:train", "null",
    ]  # fmt: skip


def _oddly(values: Any, rng: Rng, odds: list[Any]) -> Any:
    """Return a copy of plain values in which one place, anywhere, holds one of `odds`, is missing, or gains a key."""
    odd = odds[rng.integers(len(odds))]
    copy = here = deepcopy(values)
    holder = key = None
    while isinstance(here, dict | list) and here and rng.uniform() < (0.98 if holder is None else 0.7):
        holder, keys = here, sorted(here, key=str) if isinstance(here, dict) else range(len(here))
        key = keys[rng.integers(len(keys))]
        here = holder[key]
    choice = rng.integers(10)
    if holder is None:
        return odd
    if isinstance(here, bytes) and choice:
        holder[key] = mutated(here, rng)
    elif choice == 0:
        del holder[key]
    else:
        holder["unknown" if choice == 1 and isinstance(holder, dict) else key] = odd
    return copy


def odd_json(path: Path, rng: Rng, canary: Path) -> None:
    """Put an odd value into a JSON file, or, one time in four, nest it deeper than the parser's stack."""
    text = json.dumps(_oddly(json.loads(path.read_text()), rng, _odd_values(canary)))
    path.write_text(text if rng.integers(4) else "[" * 100_000)


def links(path: Path, rng: Rng, canary: Path) -> None:
    """Replace a file by a link to the canary, itself, nowhere, an endless device or a folder; by a folder; or remove it."""
    path.unlink()
    targets = (canary, path, path.with_name("nowhere"), Path("/dev/zero"), Path("/dev/null"), path.parent)
    match rng.integers(4):
        case 0:
            path.mkdir()
        case 1 | 2:
            path.symlink_to(targets[rng.integers(len(targets))])


class Trap:
    """A pickle that writes to the canary when it is loaded."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"echo sprung >> {self.canary}",)


def trapped_checkpoint(path: Path, _: Rng, canary: Path) -> None:
    """Replace a checkpoint's pickle by one that runs a command."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, pickle.dumps(Trap(canary)) if name.endswith("data.pkl") else data)


def odd_checkpoint(path: Path, rng: Rng, canary: Path) -> None:
    """Change one value or weight of a checkpoint."""
    import torch

    odds = [*_odd_values(canary), *[torch.zeros(3, 3, dtype=torch.int8)] * 9]
    torch.save(_oddly(torch.load(path, weights_only=True), rng, odds), path)


JSON: tuple[Craft, ...] = (("**/*.*", links), ("**/*.json", odd_json), ("**/*.json", odd_json))
STORE: tuple[Craft, ...] = (("**/*.*", links),)
CHECKPOINT: tuple[Craft, ...] = (
    ("**/*.*", links), ("**/*.pt", odd_checkpoint), ("**/*.pt", odd_checkpoint), ("**/*.pt", trapped_checkpoint),
)  # fmt: skip
