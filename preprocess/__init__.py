"""Raw videos to WebDataset shards of film strips and log-mel spectrograms.

>>> import preprocess
>>> summary = preprocess.build_shards("/archive", "shards/archive")
>>> summary.n_segments, summary.failures
"""

from typing import TYPE_CHECKING

from store import lazy_exports

if TYPE_CHECKING:
    from preprocess.build.build_shards import build_shards
    from preprocess.build.pipeline import Summary
    from preprocess.errors import PreprocessError
    from preprocess.schema import ShardParams

__all__ = ["PreprocessError", "ShardParams", "Summary", "build_shards"]
__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "PreprocessError": "preprocess.errors:PreprocessError",
        "ShardParams": "preprocess.schema:ShardParams",
        "Summary": "preprocess.build.pipeline:Summary",
        "build_shards": "preprocess.build.build_shards:build_shards",
    },
)
