"""Damage and malice, drawn from a seeded generator: bytes that are changed anywhere, and JSON values that nobody expects."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np

_EXTREMES = (
    bytes(8), b"\xff" * 8, b"\x7f" + b"\xff" * 7, b"\x00\x00\x00\x80" * 2, b"\xff\xff\xff\x7f" * 2, b"\x01" + bytes(7),
)  # fmt: skip
"""Nothing, everything, and the largest and smallest numbers of four and eight bytes."""
MAX_SPAN_BYTES = 256


def _place(data: bytes, rng: np.random.Generator) -> int:
    """Some byte; half of the time near the beginning or the end, where headers and indexes stand."""
    edge = int(rng.integers(1, 513))
    choice = rng.integers(4)
    low, high = (0, edge) if choice == 0 else (len(data) - edge, len(data)) if choice == 1 else (0, len(data))
    return int(np.clip(rng.integers(low, max(high, low + 1)), 0, max(len(data) - 1, 0)))


def _span(data: bytes, rng: np.random.Generator) -> tuple[int, int]:
    start = _place(data, rng)
    return start, min(len(data), start + int(2 ** rng.uniform(0, np.log2(MAX_SPAN_BYTES))))


def _flip_bits(data: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for _ in range(int(2 ** rng.uniform(0, 5))):
        changed[_place(data, rng)] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _overwrite(data: bytes, rng: np.random.Generator) -> bytes:
    start, stop = _span(data, rng)
    return data[:start] + rng.bytes(stop - start) + data[stop:]


def _extreme(data: bytes, rng: np.random.Generator) -> bytes:
    start, value = _place(data, rng), _EXTREMES[rng.integers(len(_EXTREMES))][: int(rng.integers(1, 9))]
    return (data[:start] + value + data[start + len(value) :])[: len(data)]


def _truncate(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: _place(data, rng)]


def _remove(data: bytes, rng: np.random.Generator) -> bytes:
    start, stop = _span(data, rng)
    return data[:start] + data[stop:]


def _repeat(data: bytes, rng: np.random.Generator) -> bytes:
    start, stop = _span(data, rng)
    return data[:stop] + data[start:stop] * int(rng.integers(1, 9)) + data[stop:]


def _splice(data: bytes, rng: np.random.Generator) -> bytes:
    """A piece of the file over another place of it."""
    (start, stop), there = _span(data, rng), _place(data, rng)
    return (data[:there] + data[start:stop] + data[there + stop - start :])[: len(data)]


MUTATIONS: tuple[Callable[[bytes, np.random.Generator], bytes], ...] = (
    _flip_bits, _flip_bits, _overwrite, _extreme, _extreme, _truncate, _remove, _repeat, _splice,
)  # fmt: skip


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """Return other bytes: one to three mutations, one after another."""
    changed = data
    while changed == data:
        for _ in range(int(rng.integers(1, 4))):
            changed = MUTATIONS[rng.integers(len(MUTATIONS))](changed, rng) if changed else b"\0"
    return changed


def odd_values(canary: str) -> tuple[Any, ...]:
    """Values that a field of JSON may hold, and few readers think of; the canary is a file that nobody may touch."""
    deep: Any = 0
    for _ in range(200):
        deep = [deep]
    return (
        None, True, -1, 0, 1, 2**31, 2**63, 2**70, -(2**70), 0.5, -0.0, 1e308, float("nan"), float("inf"), "", "x",
        "\0", "\ud800", "../../canary", canary, "x" * 5000, [], {}, [None], [[]], {"x": None}, {"": {}}, deep,
        [1] * 1000, "1", "nan", "1:train", "null",
    )  # fmt: skip


def mutate_values(values: Any, rng: np.random.Generator, canary: str) -> Any:
    """Return a copy of plain values in which one place, anywhere, holds something odd, or lacks, or has a stranger."""
    copy = deepcopy(values)
    holder, key = _somewhere(copy, rng)
    odd = odd_values(canary)[rng.integers(len(odd_values(canary)))]
    if holder is None:
        return odd
    choice = rng.integers(10)
    if isinstance(holder[key], bytes) and choice:
        holder[key] = mutate(holder[key], rng)
    elif choice == 0:
        del holder[key]
    elif choice == 1 and isinstance(holder, dict):
        holder["stranger"] = odd
    else:
        holder[key] = odd
    return copy


def _somewhere(values: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    """(holder, key) of a value, each about as likely as any other of its depth."""
    holder, key, here = None, None, values
    while isinstance(here, dict | list) and here and rng.uniform() < (0.98 if holder is None else 0.7):
        holder = here
        key = sorted(here, key=str)[rng.integers(len(here))] if isinstance(here, dict) else int(rng.integers(len(here)))
        here = holder[key]
    return holder, key
