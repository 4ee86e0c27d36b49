"""Checkpoints and shards to embeddings, and embeddings to results and pages.

>>> import evaluate
>>> evaluate.load_results("runs/sample")            # pandas: a row a number
>>> index = evaluate.Index.open("index/archive")
>>> for match in index.match("clip.mp4").matches:
...     print(match.reference, match.reference_start_seconds, match.score, match.decision)
"""

from typing import TYPE_CHECKING

from store import lazy_exports

if TYPE_CHECKING:
    from evaluate.errors import EvaluateError
    from evaluate.fingerprint.api import Index
    from evaluate.fingerprint.match.matches import Answer, Match
    from evaluate.results.results import load_results

__all__ = ["Answer", "EvaluateError", "Index", "Match", "load_results"]
__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "Answer": "evaluate.fingerprint.match.matches:Answer",
        "EvaluateError": "evaluate.errors:EvaluateError",
        "Index": "evaluate.fingerprint.api:Index",
        "Match": "evaluate.fingerprint.match.matches:Match",
        "load_results": "evaluate.results.results:load_results",
    },
)
