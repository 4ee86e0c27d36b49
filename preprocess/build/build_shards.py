"""Shards in one call: `preprocess.build_shards(videos, out)`."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from preprocess.build.pipeline import Summary, build
from preprocess.catalogues.open_catalogue import open_catalogue
from preprocess.errors import CatalogueError, PreprocessError
from preprocess.progress import Progress
from preprocess.schema import PRESETS, ShardParams
from preprocess.sources import Catalogue


def build_shards(
    data: Path | str,
    out: Path | str,
    *,
    dataset: str = "folder",
    preset: str = "",
    classes: tuple[str, ...] = (),
    splits: Path | None = None,
    csv: Path | None = None,
    workers: int = 0,
    max_failed: int | None = None,
    retry_failed: bool = False,
    **changes: str | float,
) -> Summary:
    """Build a shard set, or finish one that was stopped.

    Args:
        data: folder of the videos, or a URL of them.
        out: folder of the shard set.
        dataset: "folder", "ucf101", "hmdb51", "esc50", "vggsound" or "kinetics".
        preset: name in `preprocess.schema.PRESETS`; by default "default", or "audio" for audio data sets.
        classes: keep the sources of these classes; all if empty.
        splits, csv: official lists, where they do not lie beside the videos.
        workers: processes; 0 decodes in this process. With processes, a crash of a decoder costs one source only, and a
            script must call this under `if __name__ == "__main__":`.
        max_failed: sources that may fail before `Summary.too_many_failed` is true; None for any number.
        retry_failed: try failed sources of an earlier run again.
        changes: values over the preset, such as `fps=10`.

    Raises:
        CatalogueError: the folder or its lists are not those of the data set.
        RemoteError: the URL cannot be listed.
        PreprocessError: an unknown preset or value.
        ShardError: another run works on `out`, its shards have other parameters, or no source can be read.
        DiskFullError: no space is left; finished shards stay.
    """
    settings = [f"{name}={value}" for name, value in changes.items()]
    catalogue, params = open_data(dataset, data, splits, csv, classes, preset, settings)
    allowed = len(catalogue.sources) if max_failed is None else max_failed
    with Progress("sources") as shown:
        return build(
            catalogue, Path(out), params, workers=workers, retry_failed=retry_failed, max_failed=allowed,
            progress=shown.show,
        )  # fmt: skip


def open_data(
    dataset: str,
    data: Path | str,
    splits: Path | None,
    csv: Path | None,
    classes: Sequence[str],
    preset: str,
    settings: Sequence[str],
) -> tuple[Catalogue, ShardParams]:
    """List the sources of a data set, and give the parameters: a preset with settings such as "fps=10".

    Raises:
        CatalogueError: the folder or its lists are not those of the data set.
        PreprocessError: an unknown preset or value.
    """
    root = data if "://" in str(data) else Path(data)
    catalogue = open_catalogue(dataset, root, splits, csv)
    if classes:
        catalogue = _only_classes(catalogue, classes, Path(data))
    return catalogue, changed_params(preset or ("audio" if catalogue.media == "audio" else "default"), settings)


def _only_classes(catalogue: Catalogue, names: Sequence[str], root: Path) -> Catalogue:
    """Keep the sources of some classes; labels stay those of the whole data set.

    `root` is for the error. Missing and extra files are kept if their path has a folder named like a kept class.

    Raises:
        CatalogueError: a class has no source.
    """
    known = sorted({source.label_name for source in catalogue.sources if source.label_name})
    wanted = {name for text in names for name in ([text] if text in known else text.split(",")) if name}
    kept = [source for source in catalogue.sources if source.label_name in wanted]
    if unknown := sorted(wanted.difference(known)):
        there = ", ".join(known[:20]) + (" ..." if len(known) > 20 else "") if known else "no labels at all"
        raise CatalogueError(root, f"has no source of class {', '.join(unknown)}; there are {there}")

    def of_class(name: str) -> bool:
        return not wanted.isdisjoint(name.split("/")[:-1])

    return dataclasses.replace(
        catalogue,
        sources=tuple(dataclasses.replace(source, index=index) for index, source in enumerate(kept)),
        missing=tuple(name for name in catalogue.missing if of_class(name)),
        extra=tuple(name for name in catalogue.extra if of_class(name)),
    )


def changed_params(preset: str, changes: Sequence[str]) -> ShardParams:
    """Give a preset with some values changed, each as "name=value".

    Raises:
        PreprocessError: no such preset or name, or a value that is of another type or out of range.
    """
    if preset not in PRESETS:
        raise PreprocessError(f"no preset is called {preset!r}; there are {', '.join(PRESETS)}")
    params = PRESETS[preset]
    known = params.as_dict()
    values: dict[str, str | int | float] = {}
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals or name not in known:
            raise PreprocessError(f"--set {change}: write NAME=VALUE, NAME one of {', '.join(known)}")
        try:
            values[name] = type(known[name])(text)
        except ValueError as error:
            kind = "a whole number" if isinstance(known[name], int) else "a number"
            raise PreprocessError(f"--set {change}: {name} is {kind}") from error
    try:
        return dataclasses.replace(params, **values)  # type: ignore[arg-type]
    except ValueError as error:
        raise PreprocessError(f"--preset {preset} {' '.join(f'--set {each}' for each in changes)}: {error}") from error
