"""Copies of clips by AugLy: each of its video functions at its defaults, but those that need a function of one's own.

AugLy 1.0.0 is older than what it needs: torchaudio has no sox effects any more, which only its audio part would use, NumPy
has no `float`, Pillow's fonts have no sizes of texts, and ffmpeg reads `-vsync` and aspects otherwise. These are mended
before it is imported. Its functions do not seed themselves, and do not tell when ffmpeg fails.
"""

import inspect
import json
import random
import sys
import time
import types
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pylibmagic  # noqa: F401 - brings the library that python-magic loads
import torchaudio
from PIL import Image, ImageDraw, ImageFont

sys.modules["torchaudio.sox_effects"] = torchaudio.sox_effects = types.ModuleType("sox_effects")
np.float = float  # noqa: NPY001 - the name that it misses
ImageFont.FreeTypeFont.getsize = ImageFont.FreeTypeFont.getsize_multiline = lambda font, text: ImageDraw.Draw(
    Image.new("L", (1, 1))
).multiline_textbbox((0, 0), text, font)[2:]

from augly.video import functional  # noqa: E402
from vidgear.gears import WriteGear  # noqa: E402

_execute = WriteGear.execute_ffmpeg_cmd


def _execute_today(self, words):
    todays = [word.replace("setsar=ratio=1:1", "setsar=1/1").replace("-vsync", "-fps_mode") for word in words]
    _execute(
        self, ["vfr" if before == "-fps_mode" else word for before, word in zip(["", *todays], todays, strict=False)]
    )


WriteGear.execute_ffmpeg_cmd = _execute_today
OTHERS = {"audio_swap", "blend_videos", "concat", "hstack", "overlay", "overlay_onto_background_video", "vstack"}
"""Functions that need another clip."""
LEFT_OUT = {"apply_lambda", "augment_audio"}
"""Functions that do what another function says."""


def functions():
    found = inspect.getmembers(functional, inspect.isfunction)
    return [name for name, each in found if each.__module__ == functional.__name__ and name not in LEFT_OUT]


def copy(name, clip, other, out, seed):
    if out.is_file():
        return ""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - that is what AugLy draws from
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f"partial-{out.name}")
    first = [str(clip)] if name != "concat" else [[str(clip), str(other)]]
    if name in OTHERS - {"concat"}:
        first.append(str(other))
    try:
        getattr(functional, name)(*first, str(partial))
        partial.replace(out)
    except Exception as error:  # noqa: BLE001 - whatever a peer fails with is reported, and nothing else depends on it
        partial.unlink(missing_ok=True)
        return f"{name}: {type(error).__name__}: {error}"[:300]
    return ""


def work(job):
    clips, out = sorted(Path(job["clips"]).rglob("*.mp4")), Path(job["out"])
    with ProcessPoolExecutor(job["processes"]) as pool:
        copies = [
            pool.submit(copy, name, clip, clips[number - 1], out / name / clip.relative_to(job["clips"]), number)
            for name in functions()
            for number, clip in enumerate(clips)
        ]
        problems = [each.result() for each in copies]
    return {"copies": problems.count(""), "problems": sorted({each for each in problems if each})}


if __name__ == "__main__":
    since = time.perf_counter()
    made = work(json.loads(sys.argv[1]))
    print(json.dumps(made | {"seconds": time.perf_counter() - since}))
