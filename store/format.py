"""The two records that go into stores: `Rows` and `Provenance`, both checked when they are made."""

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from store.errors import RowsError
from store.layout import COLUMNS, TEXT_COLUMNS, Layout, encode_texts, modality

_KINDS = {"<i8": "iu", "<f8": "fiu", "bool": "b"}
"""numpy kinds that convert to a column type without loss."""


def _rows_error(problem: str, remedy: str = "correct the rows before writing them") -> RowsError:
    return RowsError(None, problem, remedy)


def _storable(value: object) -> bool:
    """Tell whether HDF5 gives this back as it went in: a string of valid Unicode without NUL."""
    try:
        return isinstance(value, str) and "\0" not in value and value.encode() is not None
    except UnicodeEncodeError:
        return False


def _column(name: str, values: object) -> np.ndarray:
    """Return the column as an (n,) array of its stored type; texts as objects."""
    kind = COLUMNS[name]
    array = np.array(values, dtype=object) if kind == "str" else np.asarray(values)
    is_lossless = kind == "str" or (array.dtype.kind in _KINDS[kind] and np.can_cast(array.dtype, kind))
    if array.ndim != 1 or not (is_lossless or array.size == 0):
        raise _rows_error(f"column {name} must be one-dimensional {kind}, not {array.dtype} of shape {array.shape}")
    if kind == "str":
        bad = next((row for row, value in enumerate(array) if not _storable(value)), None)
        if bad is not None:
            problem = f"column {name}, row {bad}: {array[bad]!r} is not a string of whole characters without NUL"
            raise _rows_error(problem, "escape the bytes that are not UTF-8")
        return array
    array = array.astype(kind)
    if not np.isfinite(array).all():
        raise _rows_error(f"column {name} holds NaN or infinity")
    return array


def _vectors(name: str, values: object, n_rows: int, present: np.ndarray) -> np.ndarray:
    """Return vectors (n, d) as stored; float64 becomes float32."""
    array = np.ascontiguousarray(values)
    if array.ndim != 2 or array.shape[0] != n_rows or array.shape[1] < 1 or array.dtype.kind != "f":
        problem = f"vectors {name} must be floats of shape ({n_rows}, d), not {array.dtype} of shape {array.shape}"
        raise _rows_error(problem)
    with np.errstate(over="ignore"):  # a value that does not fit becomes infinite, which is refused below
        array = array.astype("<f2" if array.dtype == np.float16 else "<f4", copy=False)
    if not np.isfinite(array).all():
        raise _rows_error(f"vectors {name} hold NaN or infinity", "find the clip whose encoding overflowed")
    if array[~present].any():
        raise _rows_error(f"vectors {name}: a row without {modality(name)} must be all zeros")
    return array


@dataclass(frozen=True, eq=False)
class Rows:
    """Clips with their embeddings, one row a clip; the columns may be given as any sequence.

    Raises:
        RowsError: lengths, types or values that a store cannot hold.
    """

    key: np.ndarray  # segment that the clip was cut from, n strings
    source: np.ndarray  # name of the video or audio file, n strings
    label: np.ndarray  # class, int64 (n,); -1 for unlabelled clips
    label_name: np.ndarray  # class name, n strings; "" for unlabelled clips
    group: np.ndarray  # recordings that belong together, n strings; "" where there is no group
    splits: np.ndarray  # n texts of a JSON object such as '{"1": "train"}'
    start_seconds: np.ndarray  # first instant of the clip in the source, float64 (n,)
    end_seconds: np.ndarray  # end of the clip, exclusive, float64 (n,)
    has_video: np.ndarray  # bool (n,); rows without video have zeros in the video vectors
    has_audio: np.ndarray  # bool (n,); rows without audio have zeros in the audio vectors
    vectors: dict[str, np.ndarray] = field(default_factory=dict)  # name ("video/features") -> floats (n, d)

    def __post_init__(self) -> None:
        for name in COLUMNS:
            column = _column(name, getattr(self, name)).view()
            column.setflags(write=False)  # `layout` and `blocks` encode the texts once
            if len(column) != len(self.key):
                raise _rows_error(f"column {name} has {len(column)} rows, key has {len(self.key)}")
            object.__setattr__(self, name, column)
        if (self.end_seconds < self.start_seconds).any():
            raise _rows_error("a clip ends before it starts")
        ordered = {
            name: _vectors(name, self.vectors[name], len(self), getattr(self, f"has_{modality(name)}"))
            for name in sorted(self.vectors)
        }
        object.__setattr__(self, "vectors", ordered)

    def __len__(self) -> int:
        return len(self.key)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {array.shape} {array.dtype}" for name, array in self.vectors.items())
        return f"Rows(n={len(self)}, {shapes})"

    @functools.cached_property
    def _texts(self) -> dict[str, np.ndarray]:
        return {name: encode_texts(getattr(self, name)) for name in TEXT_COLUMNS}

    @functools.cached_property
    def layout(self) -> Layout:
        """The layout of a store that holds these rows."""
        vectors = {name: (array.shape[1], array.dtype.str) for name, array in self.vectors.items()}
        return Layout(len(self), vectors, {name: array.dtype.itemsize for name, array in self._texts.items()})

    def blocks(self, name: str, *, as_stored: Literal[True]) -> Iterator[np.ndarray]:
        """Yield a column or vectors in one block, as they are stored: the counterpart of `EmbeddingStore.blocks`."""
        yield self.vectors[name] if name in self.vectors else self._texts.get(name, getattr(self, name))


@dataclass(frozen=True)
class Provenance:
    """Where embeddings come from; two stores are comparable only where it agrees.

    Raises:
        RowsError: a text that HDF5 cannot hold, or a config that JSON cannot.
    """

    encoder_sha256: str  # checksum of the encoders' weights, "" without weights
    encoder_config: Mapping[str, Any]  # the settings that make the same clips and vectors again, as JSON values
    shards_fingerprint: str
    dataset: str
    model: str  # "pretrained", "untrained", "raw", ...

    def __post_init__(self) -> None:
        try:
            config = json.loads(canonical_json(self.encoder_config))
        except (TypeError, ValueError) as error:
            raise _rows_error(f"encoder_config is not JSON: {error}", "give plain values") from error
        object.__setattr__(self, "encoder_config", config)  # tuples are lists now, as after reading it back
        for name, text in self.attributes().items():
            if not _storable(text):
                raise _rows_error(f"{name} is not a string of whole characters without NUL: {text!r}")

    def attributes(self) -> dict[str, str]:
        """Return the root attributes that hold it, all text."""
        return {**self.__dict__, "encoder_config": canonical_json(self.encoder_config)}


def canonical_json(value: object) -> str:
    """Return JSON text that is the same for equal values: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
