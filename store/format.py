"""The two records that travel in and out of stores: `Rows`, checked on making, and `Provenance`."""

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np

from store.errors import RowsError
from store.layout import COLUMNS, modality

_KINDS = {"<i8": "iu", "<f8": "fiu", "bool": "b"}
"""numpy kinds that are taken for a column type without loss."""


def _rows_error(problem: str, remedy: str = "mend the rows before writing them") -> RowsError:
    return RowsError(None, problem, remedy)


def _storable(value: object) -> bool:
    """Tell whether this is a string that HDF5 gives back as it went in: valid Unicode without NUL."""
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _text(name: str, values: object) -> np.ndarray:
    """Return (n,) object array of storable strings."""
    array = np.array(values, dtype=object)
    if array.ndim != 1:
        raise _rows_error(f"column {name} must have one dimension, not {array.ndim}")
    bad = next((row for row, value in enumerate(array) if not _storable(value)), None)
    if bad is not None:
        raise _rows_error(
            f"column {name}, row {bad}: {array[bad]!r} is not a string of whole characters without NUL",
            "escape the bytes that are not UTF-8",
        )
    return array


def _column(name: str, values: object) -> np.ndarray:
    """Return the column as an (n,) array of its stored type."""
    kind = COLUMNS[name]
    if kind == "str":
        return _text(name, values)
    array = np.asarray(values)
    fits = array.dtype.kind in _KINDS[kind] and np.can_cast(array.dtype, kind)
    if array.ndim != 1 or not (fits or array.size == 0):
        raise _rows_error(f"column {name} must be one-dimensional {kind}, not {array.dtype} of shape {array.shape}")
    array = array.astype(kind)
    if kind == "<f8" and not np.isfinite(array).all():
        raise _rows_error(f"column {name} holds NaN or infinity")
    return array


def _vectors(name: str, values: object, n_rows: int, present: np.ndarray) -> np.ndarray:
    """Return vectors (n, d) as stored; float64 becomes float32."""
    array = np.ascontiguousarray(values)
    if array.ndim != 2 or array.shape[0] != n_rows or array.shape[1] < 1 or array.dtype.kind != "f":
        raise _rows_error(
            f"vectors {name} must be floats of shape ({n_rows}, d), not {array.dtype} of shape {array.shape}"
        )
    with np.errstate(over="ignore"):  # what does not fit becomes infinite and is named below
        array = array.astype("<f2" if array.dtype == np.float16 else "<f4", copy=False)
    if not np.isfinite(array).all():
        raise _rows_error(f"vectors {name} hold NaN or infinity", "find the clip whose encoding overflowed")
    if array[~present].any():
        raise _rows_error(f"vectors {name}: a row without {modality(name)} must be all zeros")
    return array


@dataclass(frozen=True, eq=False)
class Rows:
    """Clips with their embeddings, one row a clip; the columns may be given as any sequence.

    Attributes:
        key: segment the clip was cut from, n strings.
        source: name of the video or sound file, n strings.
        label: class, int64 (n,); -1 where there is none.
        label_name: class name, "" where there is none.
        group: recordings that belong together, "" where there is none.
        splits: JSON object text such as '{"1": "train"}'.
        start_seconds: first instant of the clip in the source, float64 (n,).
        end_seconds: end of the clip, exclusive, float64 (n,).
        has_video: bool (n,); rows without picture have zeros in the video vectors.
        has_audio: bool (n,); rows without sound have zeros in the audio vectors.
        vectors: name ("video/features") to floats (n, d).

    Raises:
        RowsError: lengths, types or values that a store cannot hold.
    """

    key: np.ndarray
    source: np.ndarray
    label: np.ndarray
    label_name: np.ndarray
    group: np.ndarray
    splits: np.ndarray
    start_seconds: np.ndarray
    end_seconds: np.ndarray
    has_video: np.ndarray
    has_audio: np.ndarray
    vectors: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in COLUMNS:
            object.__setattr__(self, name, _column(name, getattr(self, name)))
        n_rows = len(self.key)
        for name in COLUMNS:
            if len(getattr(self, name)) != n_rows:
                raise _rows_error(f"column {name} has {len(getattr(self, name))} rows, key has {n_rows}")
        if (self.end_seconds < self.start_seconds).any():
            raise _rows_error("a clip ends before it starts")
        ordered = {
            name: _vectors(name, self.vectors[name], n_rows, getattr(self, f"has_{modality(name)}"))
            for name in sorted(self.vectors)
        }
        object.__setattr__(self, "vectors", ordered)

    def __len__(self) -> int:
        return len(self.key)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {array.shape} {array.dtype}" for name, array in self.vectors.items())
        return f"Rows(n={len(self)}, {shapes})"


@dataclass(frozen=True)
class Provenance:
    """Where embeddings come from; two stores are comparable only where it agrees.

    Attributes:
        encoder_sha256: checksum of the encoders' weights, "" where there are none.
        encoder_config: what it takes to make the same clips and vectors again, as JSON values.
        shards_fingerprint: fingerprint of the shard set.
        dataset: name of the data set.
        model: "pretrained", "untrained", "raw", ...

    Raises:
        RowsError: a text that HDF5 cannot hold, or a config that JSON cannot.
    """

    encoder_sha256: str
    encoder_config: Mapping[str, Any]
    shards_fingerprint: str
    dataset: str
    model: str

    def __post_init__(self) -> None:
        try:
            config = json.loads(canonical_json(self.encoder_config))
        except (TypeError, ValueError) as error:
            raise _rows_error(f"encoder_config is not JSON: {error}", "give plain values") from error
        object.__setattr__(self, "encoder_config", config)  # tuples are lists now, as after reading it back
        for name, text in self.attributes().items():
            _text(name, [text])

    def attributes(self) -> dict[str, str]:
        """Return the root attributes that hold it, all text."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {**values, "encoder_config": canonical_json(self.encoder_config)}

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, str]) -> Self:
        """Read it back; KeyError or ValueError where the attributes do not hold it."""
        values: dict[str, Any] = {each.name: str(attributes[each.name]) for each in fields(cls)}
        return cls(**{**values, "encoder_config": json.loads(values["encoder_config"])})


def canonical_json(value: object) -> str:
    """Return JSON text that is the same for equal values: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def created_by() -> str:
    """Return the versions of what writes the file, as JSON."""
    import h5py

    versions = {"python": platform.python_version(), "numpy": np.__version__, "h5py": h5py.__version__}
    return canonical_json({**versions, "hdf5": h5py.version.hdf5_version})
