"""Draw damage from a seeded generator: changed bytes anywhere in a file, and unexpected values anywhere in JSON."""

from copy import deepcopy
from typing import Any

import numpy as np

_EXTREMES = (
    bytes(8), b"\xff" * 8, b"\x7f" + b"\xff" * 7, b"\x00\x00\x00\x80" * 2, b"\xff\xff\xff\x7f" * 2, b"\x01" + bytes(7),
)  # fmt: skip
"""Zeros, ones, and the largest and smallest numbers of four and eight bytes."""
MAX_SPAN_BYTES = 256


def _place(data: bytes, rng: np.random.Generator) -> int:
    """Choose a byte; half of the time near the beginning or the end, where headers and indexes stand."""
    edge = int(rng.integers(1, 513))
    choice = rng.integers(4)
    low, high = (0, edge) if choice == 0 else (len(data) - edge, len(data)) if choice == 1 else (0, len(data))
    return int(np.clip(rng.integers(low, max(high, low + 1)), 0, max(len(data) - 1, 0)))


def _mutate_once(data: bytes, rng: np.random.Generator) -> bytes:
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


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """Return other bytes: one to three mutations, one after another."""
    changed = data
    while changed == data:
        for _ in range(int(rng.integers(1, 4))):
            changed = _mutate_once(changed, rng)
    return changed


def odd_values(canary: object) -> list[Any]:
    """Return values that JSON may hold and few readers expect; `canary` is a file that no reader may touch."""
    deep: Any = 0
    for _ in range(200):
        deep = [deep]
    return [
        None, True, -1, 0, 1, 2**31, 2**63, 2**70, -(2**70), 0.5, -0.0, 1e308, float("nan"), float("inf"), "", "x",
        "\0", "\ud800", "../../canary", str(canary), "x" * 5000, [], {}, [None], [[]], {"x": None}, {"": {}}, deep,
        [1] * 1000, "1", "nan", "1:train", "null",
    ]  # fmt: skip


def mutate_values(values: Any, rng: np.random.Generator, odds: list[Any]) -> Any:
    """Return a copy of plain values in which one place, anywhere, holds one of `odds`, is missing, or gains a key."""
    copy = deepcopy(values)
    holder, key = _somewhere(copy, rng)
    odd = odds[rng.integers(len(odds))]
    if holder is None:
        return odd
    choice = rng.integers(10)
    if isinstance(holder[key], bytes) and choice:
        holder[key] = mutate(holder[key], rng)
    elif choice == 0:
        del holder[key]
    elif choice == 1 and isinstance(holder, dict):
        holder["unknown"] = odd
    else:
        holder[key] = odd
    return copy


def _somewhere(values: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    """Choose (holder, key) of a value, each about as likely as any other of its depth."""
    holder, key, here = None, None, values
    while isinstance(here, dict | list) and here and rng.uniform() < (0.98 if holder is None else 0.7):
        holder = here
        key = sorted(here, key=str)[rng.integers(len(here))] if isinstance(here, dict) else int(rng.integers(len(here)))
        here = holder[key]
    return holder, key
