"""The embedding store: one documented HDF5 format, its writer, readers and searches.

>>> import store
>>> clips = store.open("runs/sample/embeddings/ucf101.h5")
>>> clips.frame()                             # pandas: a row a clip
>>> clips.vectors("video/features")           # (n, d)
>>> videos = clips.videos("video/features")   # clips averaged by source: videos.frame, videos.vectors
>>> store.nearest(videos.vectors[:1], videos.vectors, k=5)
"""

from typing import TYPE_CHECKING

from store.lazy_exports import lazy_exports

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
