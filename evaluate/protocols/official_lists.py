"""The official lists of the data sets, as published."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class OfficialLists:
    """The official lists of a data set.

    Attributes:
        title: name of the data set as papers write it.
        n_classes: how many classes they name.
        counts: videos that they name for training and test, by split.
    """

    title: str
    n_classes: int
    counts: Mapping[str, tuple[int, int]]


OFFICIAL = {
    "ucf101": OfficialLists("UCF101", 101, {"1": (9537, 3783), "2": (9586, 3734), "3": (9624, 3696)}),
    "hmdb51": OfficialLists("HMDB51", 51, dict.fromkeys(("1", "2", "3"), (3570, 1530))),
}
"""By the name of the data set. HMDB51's lists leave out 1,666 of its 6,766 videos in each split."""
