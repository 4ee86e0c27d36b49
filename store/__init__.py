"""The embedding store: one documented HDF5 format, its writer, readers and searches.

>>> import store
>>> clips = store.open("runs/sample/embeddings/ucf101.h5")
>>> clips.frame()                             # pandas: a row a clip
>>> clips.vectors("video/features")           # (n, d)
>>> videos = clips.videos("video/features")   # clips averaged by source: videos.frame, videos.vectors
>>> store.nearest(videos.vectors[:1], videos.vectors, k=5)
"""

import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from store.averages import SourceVectors
    from store.errors import AvtempoError, StoreError
    from store.reader import EmbeddingStore
    from store.reader import open_embeddings as open
    from store.search import Exclude, Neighbours, nearest
    from store.writer import join_parts as join

__all__ = [
    "AvtempoError",
    "EmbeddingStore",
    "Exclude",
    "Neighbours",
    "SourceVectors",
    "StoreError",
    "join",
    "nearest",
    "open",
]


def lazy_exports(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make the `__getattr__` and `__dir__` of a package that imports its modules only when they are used (PEP 562).

    `homes` gives the "module:attribute" of each exported name.
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, attribute = homes[name].partition(":")
        return getattr(importlib.import_module(module), attribute)

    return get, lambda: sorted(homes)


__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "AvtempoError": "store.errors:AvtempoError",
        "EmbeddingStore": "store.reader:EmbeddingStore",
        "Exclude": "store.search:Exclude",
        "Neighbours": "store.search:Neighbours",
        "SourceVectors": "store.averages:SourceVectors",
        "StoreError": "store.errors:StoreError",
        "join": "store.writer:join_parts",
        "nearest": "store.search:nearest",
        "open": "store.reader:open_embeddings",
    },
)
