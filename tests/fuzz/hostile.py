"""Files made to mislead: whole files of their kind that hold hostile names, sizes, links, pickles or values.

Each craft changes one file of a specimen in place. The canary is a file outside the folder that hostile paths lead to.
"""

import io
import json
import os
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from tests.fuzz.mutate import mutate_values, odd_values

Rng = np.random.Generator
Members = list[tuple[tarfile.TarInfo, bytes]]


Craft = tuple[str, Callable[[Path, Rng, Path], None]]
"""Which paths it can change, for `Path.glob`; and a function that, given one, a generator and the canary, changes it."""


class Trap:
    """A pickle that writes to the canary when it is loaded."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"echo sprung >> {self.canary}",)


def odd_json(path: Path, rng: Rng, canary: Path) -> None:
    """Put an odd value into a JSON file, or, one time in four, nest it deeper than the parser's stack."""
    text = json.dumps(mutate_values(json.loads(path.read_text()), rng, odd_values(canary)))
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


def planted_links(folder: Path, rng: Rng, canary: Path) -> None:
    """Plant links to the canary under the names of locks, logs and unfinished files."""
    del rng
    for name in (
        ".lock",
        ".a.h5.lock",
        *(f"{n}.partial" for n in ("log.jsonl", "config.yaml", "last.pt", "training.json")),
    ):
        path = folder / name
        path.unlink(missing_ok=True)
        path.symlink_to(canary)


def rewrite_tar(change: Callable[[Members, Rng, Path], None], tar: Path, rng: Rng, canary: Path) -> None:
    """Rewrite an archive with changed members, and the index that fits them."""
    from preprocess.shards.shard_files import Member, Sample, index_text

    with tarfile.open(tar) as archive:
        members = [(entry, archive.extractfile(entry).read()) for entry in archive]  # type: ignore[union-attr]
    change(members, rng, canary)
    samples: dict[str, Sample] = {}
    with tar.open("wb") as file:
        for entry, data in members:
            entry.size = len(data)
            file.write(entry.tobuf(tarfile.GNU_FORMAT))
            key, _, suffix = entry.name.partition(".")
            before = samples[key].members if key in samples else ()
            samples[key] = Sample(key, (*before, Member(suffix, file.tell(), len(data))))
            file.write(data + bytes(-len(data) % 512))
        file.write(bytes(1024 + -(file.tell() + 1024) % 10240))
    tar.with_suffix(".idx").write_text(index_text(list(samples.values())))


def hostile_headers(members: Members, rng: Rng, canary: Path) -> None:
    """Give a member a name that leads out of the folder, or make it a link or a device; or give it another's header."""
    (one, data), (other, more) = members[rng.integers(len(members))], members[rng.integers(len(members))]
    if one is not other and rng.integers(2):
        members[:] = [(entry, {id(one): more, id(other): data}.get(id(entry), old)) for entry, old in members]
        return
    names = (f"../../{canary.name}", str(canary), one.name, "a/../../b.json", ".json", "x", "\n.json")
    types = (tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE)
    one.name, one.type = names[rng.integers(len(names))], types[rng.integers(len(types))]
    one.linkname = str(canary)


def hostile_data(members: Members, rng: Rng, canary: Path) -> None:
    """Replace an array by a pickle, objects, a claim of terabytes, an archive or another type; or resize a film strip."""
    number = int(rng.choice([i for i, (entry, _) in enumerate(members) if entry.name.endswith((".npy", ".jpg"))]))
    entry, data = members[number]
    objects, other, zipped = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.save(objects, np.array([Trap(canary)], object), allow_pickle=True)
    np.save(other, np.full((3, 2), np.nan, ">f8"))
    np.savez(zipped, np.zeros(3))
    claim = data.replace(b"'shape': (", b"'shape': (9999999, 999, ", 1)
    shape = b"{'descr': '<i8', 'fortran_order': False, 'shape': (2**99,)}".ljust(117)
    choices = [
        pickle.dumps(Trap(canary)), objects.getvalue(), claim, other.getvalue(), zipped.getvalue(),
        b"\x93NUMPY\x01\x00\x76\x00" + shape + b"\n",
    ]  # fmt: skip
    if entry.name.endswith(".jpg"):
        at = data.index(b"\xff\xc0") + 5  # height and width follow the precision (ITU-T T.81, B.2.2)
        sizes = (b"\xff\xff" * 2, b"\x40\x00" * 2, b"\x00\x00" * 2, b"\x00\x10\xff\xff", b"\x00\x01" * 2)
        choices = [data[:at] + size + data[at + 4 :] for size in sizes]
    members[number] = (entry, choices[rng.integers(len(choices))])


def odd_table(path: Path, rng: Rng, canary: Path) -> None:
    """Put another value of its type, or null, into one row or all rows of a table's column; or change its mark."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table, odds = pq.read_table(path), odd_values(canary)
    (name, mark), *_ = table.schema.metadata.items()
    if rng.integers(2):
        mark = json.dumps(mutate_values(json.loads(mark), rng, odds)).encode()
        pq.write_table(table.replace_schema_metadata({name: mark}), path)
        return
    rows, field = table.to_pylist(), table.schema[int(rng.integers(len(table.schema)))]
    kind = {"bool": bool, "int64": int, "double": float}.get(str(field.type), str)
    fitting = [odd for odd in odds if type(odd) is kind and odd != "\ud800" and (kind is not int or abs(odd) < 2**63)]
    value = [*fitting, *[None] * field.nullable][rng.integers(len(fitting) + field.nullable)]
    for row in [rows[rng.integers(len(rows))]] if rng.integers(2) else rows:
        row[field.name] = value
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)


def odd_store(path: Path, rng: Rng, canary: Path) -> None:
    """Put an odd value into an attribute of a store, or an odd value of its type into a cell."""
    import h5py

    odd = {"f": (np.nan, np.inf, -1.0), "i": (-1, 2**62), "b": (True, False), "S": (b"\xff", b"", b"{", b"[]", b"a\0b")}
    values = ("", "x", canary.name, -1, 2**62, 0.5, np.zeros(3), h5py.Empty("f4"), b"\xff", np.nan, "{", "[]")
    with h5py.File(path, "r+") as file:
        if rng.integers(2):
            file.attrs[sorted(file.attrs)[rng.integers(len(file.attrs))]] = values[rng.integers(len(values))]
            return
        columns = [each for each in file.values() if isinstance(each, h5py.Dataset)]
        column = columns[rng.integers(len(columns))]
        choices = odd[column.dtype.kind]
        column[int(rng.integers(len(column)))] = choices[rng.integers(len(choices))]


def trapped_checkpoint(path: Path, rng: Rng, canary: Path) -> None:
    """Replace a checkpoint's pickle by one that runs a command."""
    del rng
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, pickle.dumps(Trap(canary)) if name.endswith("data.pkl") else data)


def odd_checkpoint(path: Path, rng: Rng, canary: Path) -> None:
    """Change one value or weight of a checkpoint."""
    import torch

    odds = [*odd_values(canary), *[torch.zeros(3, 3, dtype=torch.int8)] * 9]
    torch.save(mutate_values(torch.load(path, weights_only=True), rng, odds), path)


def odd_export(path: Path, rng: Rng, canary: Path) -> None:
    """Put an odd value into an export's description, and the checksum that fits it into the weights' file."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    from train.export.export import WEIGHTS_NAME, _config_sha256

    weights = path.with_name(WEIGHTS_NAME)
    info = mutate_values(json.loads(path.read_text()), rng, odd_values(canary))
    path.write_text(json.dumps(info))
    with safe_open(weights, framework="pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, weights, metadata | {"config_sha256": _config_sha256(info)})


_ANY, _JSON, _CHECKPOINT = ("**/*.*", links), ("**/*.json", odd_json), ("**/*.pt", odd_checkpoint)
JSON = (_ANY, _JSON, _JSON)
STORE = (_ANY, ("**/*.h5", odd_store))
CHECKPOINT = (_ANY, _CHECKPOINT, _CHECKPOINT, ("**/*.pt", trapped_checkpoint), ("**/", planted_links))
EXPORT = (*JSON, ("**/config.json", odd_export), ("**/config.json", odd_export))
_TABLE, _HEADERS = ("**/*.parquet", odd_table), ("**/*.tar", partial(rewrite_tar, hostile_headers))
_DATA = ("**/*.tar", partial(rewrite_tar, hostile_data))
SHARDS = (*JSON, _TABLE, _TABLE, _TABLE, _HEADERS, _DATA, _DATA)
