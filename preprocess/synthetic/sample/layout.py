"""Names and split lists of the sample world: those of UCF101, with .mp4 for .avi."""

from collections.abc import Sequence
from pathlib import Path

from preprocess.errors import disk_errors
from store.atomic_files import remove_temporaries, write_text

N_SPLITS = 3
SPLITS_FOLDER = "ucfTrainTestlist"


def clip_name(class_name: str, group: int, clip: int) -> str:
    """Path of a clip below the world's folder; groups and clips count from 1."""
    return f"{class_name}/v_{class_name}_g{group:02d}_c{clip:02d}.mp4"


def held_out_groups(n_groups: int, split: int) -> range:
    """Test groups of a split (1 to 3): 1-7, 8-14, 15-21 of 25 as in UCF101, in proportion for other numbers."""
    size = max(1, round(n_groups * 7 / 25))
    return range((split - 1) * size + 1, split * size + 1)


def write_splits(folder: Path, class_names: Sequence[str], *, n_groups: int, n_clips: int) -> None:
    """Write classInd.txt, trainlist01..03.txt and testlist01..03.txt in the official syntax.

    Args:
        folder: where to; made if missing.
        class_names: in the order of their numbers, the first being 1.
        n_groups: groups of every class, at least N_SPLITS.
        n_clips: clips of every group.

    """
    folder.mkdir(exist_ok=True)
    remove_temporaries(folder)
    write_text(
        folder / "classInd.txt",
        "".join(f"{number} {name}\n" for number, name in enumerate(class_names, 1)),
        disk_errors,
    )
    for split in range(1, N_SPLITS + 1):
        held_out = held_out_groups(n_groups, split)
        train: list[str] = []
        test: list[str] = []
        for number, name in enumerate(class_names, 1):
            for group in range(1, n_groups + 1):
                files = [clip_name(name, group, clip) for clip in range(1, n_clips + 1)]
                if group in held_out:
                    test.extend(f"{file}\n" for file in files)
                else:
                    train.extend(f"{file} {number}\n" for file in files)
        write_text(folder / f"trainlist{split:02d}.txt", "".join(train), disk_errors)
        write_text(folder / f"testlist{split:02d}.txt", "".join(test), disk_errors)
