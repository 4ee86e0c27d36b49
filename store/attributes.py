"""Texts and numbers as attributes; texts have a fixed length and lie in the header of what they belong to.

HDF5 keeps texts of variable length in a heap of its own, and on one that is damaged its library loops for ever. So
a store has none, and what is of another type than it should be is not read at all.
"""

import h5py


def write_text(owner: h5py.Group | h5py.Dataset, name: str, text: str) -> None:
    """Write a text without NUL."""
    data = text.encode()
    owner.attrs.create(name, data, dtype=h5py.string_dtype("utf-8", max(len(data), 1)))


def read_text(owner: h5py.Group | h5py.Dataset, name: str) -> str | None:
    """Return a text, or None where there is none, or something else than `write_text` writes.

    Raises:
        OSError, RuntimeError, KeyError, ValueError: what HDF5 raises on damaged data; bytes that are not UTF-8.
    """
    kind = _kind(owner, name)
    if not isinstance(kind, h5py.h5t.TypeStringID) or kind.is_variable_str():
        return None
    value = owner.attrs[name]
    return value if isinstance(value, str) else str(value.decode())


def read_number(owner: h5py.Group | h5py.Dataset, name: str) -> int | None:
    """Return a whole number, or None where there is none, or something else.

    Raises:
        OSError, RuntimeError, KeyError, ValueError: what HDF5 raises on damaged data.
    """
    return int(owner.attrs[name]) if isinstance(_kind(owner, name), h5py.h5t.TypeIntegerID) else None


def _kind(owner: h5py.Group | h5py.Dataset, name: str) -> h5py.h5t.TypeID | None:
    """Type of a single value; None of an array, and where there is none."""
    if name not in owner.attrs:
        return None
    attribute = owner.attrs.get_id(name)
    return attribute.get_type() if attribute.shape == () else None
