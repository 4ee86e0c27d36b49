"""A small run for the tests of whole runs: five sources in three shards of two."""

from pathlib import Path

from preprocess.build.pipeline import build
from preprocess.catalogues.open_catalogue import open_catalogue
from preprocess.schema import ShardParams

PARAMS = ShardParams(short_side_px=32, segment_seconds=0.8, sources_per_shard=2, n_mels=32)


def build_folder(clips: Path | str, out: Path, params: ShardParams = PARAMS, **options):
    return build(open_catalogue("folder", clips), out, params, **options)


def bytes_of(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
