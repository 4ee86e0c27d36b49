"""Errors of the evaluation; each message names the place and the remedy."""

from pathlib import Path

from store.errors import AvtempoError


class EvaluateError(AvtempoError):
    """An evaluation cannot go on; the message says where and what to do."""


class ResultsError(EvaluateError):
    """results.json does not hold what it should."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")


class SplitError(EvaluateError):
    """A split cannot be evaluated, because a side is empty or nothing is labelled."""


class GroupLeakError(SplitError):
    """A group has videos in the training and in the test part of one split: scores would be too good."""

    def __init__(self, split: str, groups: tuple[str, ...]) -> None:
        shown = ", ".join(groups[:5]) + (", ..." if len(groups) > 5 else "")
        super().__init__(
            f"split {split}: {len(groups)} groups have videos on both sides ({shown}). "
            "Use the official split lists, or lists that keep a group on one side"
        )


class EmbedError(EvaluateError):
    """Shards and encoders do not fit together, or the shards hold nothing to embed."""


class AblationError(EvaluateError):
    """An ablation cannot be planned with these options, or some of its runs failed."""


class FingerprintError(EvaluateError):
    """A fingerprint cannot be made, stored, compared or evaluated with these options."""


class ArchiveError(FingerprintError):
    """An index of descriptors is missing, damaged, or made with another encoder or other settings."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")


class QueryError(FingerprintError):
    """Some queries could not be read; all others were matched."""


class VerdictError(EvaluateError):
    """Verdicts cannot be read or written, or do not fit the index."""

    def __init__(self, path: Path, problem: str, remedy: str) -> None:
        super().__init__(f"{path}: {problem}; {remedy}")
