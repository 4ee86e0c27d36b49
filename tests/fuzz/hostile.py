"""Folders made to mislead: files that are whole of their kind, and say what nobody should believe.

Each craft changes a specimen in place. The canary is a file outside of the folder that hostile paths point to.
"""

import io
import json
import os
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.fuzz.mutate import mutate_values, odd_values

Craft = Callable[[Path, np.random.Generator, Path], None]
"""Given the folder, a generator and the canary."""

MARK = ".mutated"
"""Names the file that a case has changed; of archives it says that their bytes differ."""


def note_mutated(folder: Path, path: Path) -> None:
    """Remember which file was changed."""
    (folder / MARK).write_text(path.relative_to(folder).as_posix(), encoding="utf-8")


def mutated_file(folder: Path) -> Path:
    """The file that was changed."""
    return folder / (folder / MARK).read_text(encoding="utf-8")


def archives_changed(folder: Path) -> bool:
    """Whether it is an archive or an index of members, of which every byte counts."""
    return mutated_file(folder).suffix in (".tar", ".idx")


def _pick(folder: Path, pattern: str, rng: np.random.Generator) -> Path:
    found = sorted(folder.rglob(pattern))
    path = found[rng.integers(len(found))]
    note_mutated(folder, path)
    return path


class _Trap:
    """A pickle that writes to the canary when it is loaded."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"echo sprung >> {self.canary}",)


def odd_json(folder: Path, rng: np.random.Generator, canary: Path) -> None:
    """One value of a JSON file is odd."""
    path = _pick(folder, "*.json", rng)
    path.write_text(json.dumps(mutate_values(json.loads(path.read_text()), rng, str(canary))))


def nested_json(folder: Path, rng: np.random.Generator, canary: Path) -> None:
    """A JSON file nested deeper than the parser's stack."""
    del canary
    _pick(folder, "*.json", rng).write_text("[" * 100_000)


def links(folder: Path, rng: np.random.Generator, canary: Path) -> None:
    """A link in place of a file: to the canary, to itself, to nowhere, to a device that never ends, to a folder."""
    path = _pick(folder, "*.*", rng)
    path.unlink()
    targets = (canary, path, path.with_name("nowhere"), Path("/dev/zero"), Path("/dev/null"), path.parent)
    path.symlink_to(targets[rng.integers(len(targets))])


def no_file(folder: Path, rng: np.random.Generator, canary: Path) -> None:
    """A folder in place of a file, or nothing."""
    del canary
    path = _pick(folder, "*.*", rng)
    path.unlink()
    if rng.integers(2):
        path.mkdir()


def planted_links(folder: Path, rng: np.random.Generator, canary: Path) -> None:
    """Links to the canary under names that locks, logs and unfinished files take."""
    names = (
        ".lock",
        "log.jsonl.partial",
        "config.yaml.partial",
        "last.pt.partial",
        "training.json.partial",
        ".a.h5.lock",
    )
    folders = [folder, *sorted(path for path in folder.rglob("*") if path.is_dir())]
    for where in folders:
        path = where / names[rng.integers(len(names))]
        path.unlink(missing_ok=True)
        path.symlink_to(canary)
    note_mutated(folder, path)


def _members(tar: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(tar) as archive:
        return [(entry, archive.extractfile(entry).read()) for entry in archive.getmembers()]  # type: ignore[union-attr]


def _write_tar(tar: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    """Write an archive, and the index that fits it: only its contents are to mislead."""
    from preprocess.shards import Member, Sample, index_text

    samples: list[Sample] = []
    with tar.open("wb") as file:
        for entry, data in members:
            entry.size = len(data)
            file.write(entry.tobuf(tarfile.GNU_FORMAT))
            key, _, suffix = entry.name.partition(".")
            member = Member(suffix, file.tell(), len(data))
            if samples and samples[-1].key == key:
                samples[-1] = Sample(key, (*samples[-1].members, member))
            else:
                samples.append(Sample(key, (member,)))
            file.write(data + bytes(-len(data) % 512))
        file.write(bytes(1024 + -(file.tell() + 1024) % 10240))
    if tar.with_suffix(".idx").exists():
        tar.with_suffix(".idx").write_text(index_text(samples))


def swapped_members(folder: Path, rng: np.random.Generator, canary: Path) -> None:
    """Two members hold each other's data."""
    del canary
    tar = _pick(folder, "*.tar", rng)
    members = _members(tar)
    one, other = rng.choice(len(members), 2, replace=False)
    (a, data), (b, more) = members[one], members[other]
    members[one], members[other] = (a, more), (b, data)
    _write_tar(tar, members)


def hostile_members(folder: Path, rng: np.random.Generator, canary: Path) -> None:
    """A member whose name leads out of the folder, or that is a link or a device."""
    tar = _pick(folder, "*.tar", rng)
    members = _members(tar)
    entry, _ = members[rng.integers(len(members))]
    names = (f"../../{canary.name}", str(canary), entry.name, "a/../../b.json", ".json", "x", "\n.json")
    types = (tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE)
    entry.name, entry.type = names[rng.integers(len(names))], types[rng.integers(len(types))]
    entry.linkname = str(canary)
    _write_tar(tar, members)


def hostile_arrays(folder: Path, rng: np.random.Generator, canary: Path) -> None:
    """A pickle, an array of objects, one that claims terabytes, or another type, in place of an array."""
    tar = _pick(folder, "*.tar", rng)
    members = _members(tar)
    number = rng.choice([i for i, (entry, _) in enumerate(members) if entry.name.endswith(".npy")])
    _, data = members[number]
    objects = io.BytesIO()
    np.save(objects, np.array([_Trap(canary)], object), allow_pickle=True)
    claim = data.replace(b"'shape': (", b"'shape': (9999999, 999, ", 1)
    other = io.BytesIO()
    np.save(other, np.full((3, 2), np.nan, ">f8"))
    zipped = io.BytesIO()
    np.savez(zipped, np.zeros(3))
    header = (
        b"\x93NUMPY\x01\x00\x76\x00" + b"{'descr': '<i8', 'fortran_order': False, 'shape': (2**99,)}".ljust(117) + b"\n"
    )
    choices = (pickle.dumps(_Trap(canary)), objects.getvalue(), claim, other.getvalue(), zipped.getvalue(), header)
    members[number] = (members[number][0], choices[rng.integers(len(choices))])
    _write_tar(tar, members)


def hostile_strips(folder: Path, rng: np.random.Generator, canary: Path) -> None:
    """A film strip that says to be larger than it is (ITU-T T.81, B.2.2: height and width follow the precision)."""
    del canary
    tar = _pick(folder, "*.tar", rng)
    members = _members(tar)
    number = rng.choice([i for i, (entry, _) in enumerate(members) if entry.name.endswith(".jpg")])
    entry, data = members[number]
    at = data.index(b"\xff\xc0") + 5
    sizes = (b"\xff\xff\xff\xff", b"\x40\x00\x40\x00", b"\x00\x00\x00\x00", b"\x00\x10\xff\xff", b"\x00\x01\x00\x01")
    members[number] = (entry, data[:at] + sizes[rng.integers(len(sizes))] + data[at + 4 :])
    _write_tar(tar, members)


def odd_rows(folder: Path, rng: np.random.Generator, canary: Path) -> None:
    """A table in which one cell holds another value of its type, or none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = _pick(folder, "*.parquet", rng)
    table = pq.read_table(path)
    rows, field = table.to_pylist(), table.schema[int(rng.integers(len(table.schema)))]
    kind = {"bool": bool, "int64": int, "double": float}.get(str(field.type), str)
    fitting = [value for value in odd_values(str(canary)) if type(value) is kind and _fits(value)]
    is_null = field.nullable and (not fitting or rng.integers(5) == 0)
    value = None if is_null else [kind(), *fitting][rng.integers(1 + len(fitting))]
    for row in [rows[rng.integers(len(rows))]] if rng.integers(2) else rows:
        row[field.name] = value
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)


def _fits(value: object) -> bool:
    return (not isinstance(value, int) or abs(value) < 2**62) and value != "\ud800"


def odd_mark(folder: Path, rng: np.random.Generator, canary: Path) -> None:
    """A shard's mark that says something odd of the shard."""
    import pyarrow.parquet as pq

    path = _pick(folder, "shard-*.parquet", rng)
    table = pq.read_table(path)
    (name, text), *_ = table.schema.metadata.items()
    text = json.dumps(mutate_values(json.loads(text), rng, str(canary))).encode()
    pq.write_table(table.replace_schema_metadata({name: text}), path)


def odd_attributes(folder: Path, rng: np.random.Generator, canary: Path) -> None:
    """An attribute of a store that holds something odd."""
    import h5py

    with h5py.File(_pick(folder, "*.h5", rng), "r+") as file:
        name = sorted(file.attrs)[rng.integers(len(file.attrs))]
        values = ("", "x", canary.name, -1, 2**62, 0.5, np.zeros(3), h5py.Empty("f4"), b"\xff", np.nan, "{", "[]")
        file.attrs[name] = values[rng.integers(len(values))]


def odd_cells(folder: Path, rng: np.random.Generator, canary: Path) -> None:
    """A row of a store's column that holds something odd of its type."""
    del canary
    import h5py

    with h5py.File(_pick(folder, "*.h5", rng), "r+") as file:
        columns = [name for name in file if isinstance(file[name], h5py.Dataset)]
        column = file[columns[rng.integers(len(columns))]]
        texts = (b"\xff", b"", b"{", b"[]", b"x" * 9000)
        odd = {"f": (np.nan, np.inf, -1.0), "i": (-1, 2**62), "b": (True, False), "O": texts}
        choices = odd[column.dtype.kind]
        column[int(rng.integers(len(column)))] = choices[rng.integers(len(choices))]


def trapped_checkpoint(folder: Path, rng: np.random.Generator, canary: Path) -> None:
    """A checkpoint whose pickle runs a command."""
    path = _pick(folder, "*.pt", rng)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, pickle.dumps(_Trap(canary)) if name.endswith("data.pkl") else data)


def odd_checkpoint(folder: Path, rng: np.random.Generator, canary: Path) -> None:
    """A checkpoint of which one value is odd."""
    import torch

    path = _pick(folder, "*.pt", rng)
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

    from train.export import CONFIG_NAME, WEIGHTS_NAME, _config_sha256

    path = _pick(folder, CONFIG_NAME, rng)
    weights = path.with_name(WEIGHTS_NAME)
    info = mutate_values(json.loads(path.read_text()), rng, str(canary))
    path.write_text(json.dumps(info))
    with safe_open(weights, framework="pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, weights, metadata | {"config_sha256": _config_sha256(info)})


_ANY: tuple[Craft, ...] = (links, no_file)
JSON: tuple[Craft, ...] = (odd_json, odd_json, odd_json, nested_json, *_ANY)
SHARDS: tuple[Craft, ...] = (
    swapped_members, hostile_members, hostile_arrays, hostile_strips, odd_rows, odd_rows, odd_mark, *JSON,
)  # fmt: skip
STORE: tuple[Craft, ...] = (odd_attributes, odd_cells, *_ANY)
CHECKPOINT: tuple[Craft, ...] = (
    planted_links,
    trapped_checkpoint,
    odd_checkpoint,
    odd_checkpoint,
    odd_checkpoint,
    *_ANY,
)
EXPORT: tuple[Craft, ...] = (odd_export, odd_export, *JSON)
