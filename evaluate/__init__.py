"""Checkpoints and shards to embeddings, and embeddings to results and pages.

>>> import evaluate
>>> evaluate.load_results("runs/sample")            # pandas: a row a number
>>> index = evaluate.Index.open("index/archive")
>>> for match in index.match("clip.mp4").matches:
...     print(match.reference, match.reference_start_seconds, match.score, match.decision)
>>> for pair in evaluate.find_duplicates(index).pairs:
...     print(pair.one, pair.other, pair.one_share, pair.video, pair.audio)
"""

from typing import TYPE_CHECKING

from store import lazy_exports

if TYPE_CHECKING:
    from evaluate.archive.duplicates import find_duplicates
    from evaluate.archive.keep import propose_kept
    from evaluate.archive.scope import Scope
    from evaluate.archive.verdicts import Verdicts
    from evaluate.errors import EvaluateError
    from evaluate.fingerprint.api import Index
    from evaluate.fingerprint.match.matches import Answer, Match
    from evaluate.results.results import load_results

__all__ = [
    "Answer", "EvaluateError", "Index", "Match", "Scope", "Verdicts", "find_duplicates", "load_results", "propose_kept",
]  # fmt: skip
__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "Answer": "evaluate.fingerprint.match.matches:Answer",
        "EvaluateError": "evaluate.errors:EvaluateError",
        "Index": "evaluate.fingerprint.api:Index",
        "Match": "evaluate.fingerprint.match.matches:Match",
        "Scope": "evaluate.archive.scope:Scope",
        "Verdicts": "evaluate.archive.verdicts:Verdicts",
        "find_duplicates": "evaluate.archive.duplicates:find_duplicates",
        "load_results": "evaluate.results.results:load_results",
        "propose_kept": "evaluate.archive.keep:propose_kept",
    },
)
