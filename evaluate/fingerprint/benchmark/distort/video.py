"""Distortions of the video as ffmpeg filters; sizes are shares of the frame, so that they fit any source.

Overlays are drawn with Pillow: not every ffmpeg has drawtext, and fonts differ between machines.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ffmpeg
import numpy as np

SCALING = "bicubic+accurate_rnd"
WORDS = ("breaking", "live", "watch", "this", "now", "follow", "for", "more", "best", "moment", "ever", "seen")
_INK = [(255, 255, 255), (255, 230, 0), (20, 20, 20), (230, 30, 60), (30, 120, 240)]


@dataclass(frozen=True)
class Scene:
    """The inputs of a video distortion.

    Attributes:
        width_px, height_px: of the upright frame before any distortion.
        fps: frame rate of the query.
        random: generator of all random choices.
        layer: file for an overlay image.
        host: opens endless foreign video of the same size.
    """

    width_px: int
    height_px: int
    fps: float
    random: np.random.Generator
    layer: Path
    host: Callable[[], Any]


def even(value: float) -> int:
    """Round a side in pixels to an even number: yuv420p has half as many colour samples."""
    return max(2, 2 * round(value / 2))


def _sign(scene: Scene) -> int:
    return 1 if scene.random.random() < 0.5 else -1


def shrink(stream: Any, scene: Scene, share: float) -> Any:
    """Keep `share` of the pixels of each side."""
    return stream.filter("scale", even(scene.width_px * share), even(scene.height_px * share), flags=SCALING)


def crop(stream: Any, scene: Scene, share: float) -> Any:
    """Keep `share` of each side, at a place drawn."""
    x, y = scene.random.random(2).round(6)
    # ffmpeg computes the size from its input, which another distortion may have shrunk.
    size = (f"max(2, 2*round({side}*{share}/2))" for side in ("iw", "ih"))
    return stream.filter("crop", *size, f"(iw-ow)*{x}", f"(ih-oh)*{y}")


def pad(stream: Any, scene: Scene, share: float) -> Any:
    """Add black bars of `share` of the frame's own size: beside it, above and below, or all around."""
    wide, high = [(1, 0), (0, 1), (1, 1)][scene.random.integers(3)]
    width, height = even(scene.width_px * (1 + wide * share)), even(scene.height_px * (1 + high * share))
    return stream.filter("pad", width, height, "(ow-iw)/2", "(oh-ih)/2", color="black")


def flip(stream: Any, scene: Scene, axes: str) -> Any:
    """Mirror: "h", "v" or "hv"."""
    for axis in axes:
        stream = stream.filter(f"{axis}flip")
    return stream


def rotate(stream: Any, scene: Scene, degrees: float) -> Any:
    """Turn either way; corners are black and the size stays, but quarter turns swap the sides."""
    sign = _sign(scene)
    if degrees == 90:
        return stream.filter("transpose", "clock" if sign > 0 else "cclock")
    return stream.filter("rotate", f"{sign * degrees}*PI/180", fillcolor="black")


def blur(stream: Any, scene: Scene, share: float) -> Any:
    """Blur with a Gaussian whose standard deviation is `share` of the short side."""
    return stream.filter("gblur", sigma=round(share * min(scene.width_px, scene.height_px), 3))


def noise(stream: Any, scene: Scene, amount: int) -> Any:
    """Add noise that changes from frame to frame, of ffmpeg's strength 0 to 100."""
    return stream.filter("noise", alls=amount, allf="t", all_seed=int(scene.random.integers(1, 2**31)))


def brightness(stream: Any, scene: Scene, amount: float) -> Any:
    """Make the video lighter or darker by `amount` of full scale."""
    return stream.filter("eq", brightness=_sign(scene) * amount)


def contrast(stream: Any, scene: Scene, factor: float) -> Any:
    """Multiply the contrast by `factor`, or divide it."""
    return stream.filter("eq", contrast=round(factor ** _sign(scene), 4))


def hue(stream: Any, scene: Scene, degrees: float) -> Any:
    """Turn all hues, either way."""
    return stream.filter("hue", h=_sign(scene) * degrees)


def text(stream: Any, scene: Scene, share: float) -> Any:
    """Lay lines of text over `share` of the height."""
    from PIL import Image, ImageDraw, ImageFont

    width, height, random = scene.width_px, scene.height_px, scene.random
    n_lines = max(1, round(share / 0.12))
    line_px = max(8, round(height * share / n_lines))
    font = ImageFont.load_default(size=line_px * 0.8)  # Pillow brings it: the same letters everywhere
    image = Image.new("RGBA", (width, height))
    draw = ImageDraw.Draw(image)
    top = int(random.integers(0, max(1, height - n_lines * line_px)))
    ink = _INK[random.integers(len(_INK))]
    paper = tuple(255 - channel for channel in ink)
    for line in range(n_lines):
        words = " ".join(random.choice(WORDS, 6))
        place = (width * float(random.uniform(0.02, 0.15)), top + line * line_px)
        draw.text(place, words, font=font, fill=ink, stroke_width=max(1, line_px // 12), stroke_fill=paper)
    return _overlay(stream, scene, image)


def logo(stream: Any, scene: Scene, share: float) -> Any:
    """Lay a mark over one corner; it is `share` of the short side wide."""
    from PIL import Image, ImageDraw

    width, height, random = scene.width_px, scene.height_px, scene.random
    side, margin = round(share * min(width, height)), round(0.03 * min(width, height))
    x = int(random.choice([margin, width - side - margin]))
    y = int(random.choice([margin, height - side - margin]))
    image = Image.new("RGBA", (width, height))
    draw = ImageDraw.Draw(image)
    ink, second = (_INK[i] for i in random.permutation(len(_INK))[:2])
    draw.ellipse((x, y, x + side, y + side), fill=(*ink, 235))
    triangle = np.array([[1, 0.8], [1, 2.2], [2.3, 1.5]]) * (side / 3) + (x, y)
    draw.polygon([tuple(corner) for corner in triangle], second)
    return _overlay(stream, scene, image)


def _overlay(stream: Any, scene: Scene, image: Any) -> Any:
    image.save(scene.layer)
    layer = ffmpeg.input(str(scene.layer), f="image2", pattern_type="none").video
    return stream.overlay(layer, eof_action="repeat")


def picture_in_picture(stream: Any, scene: Scene, share: float) -> Any:
    """Show the query at `share` of its size, within the host's video."""
    width, height = even(scene.width_px * share), even(scene.height_px * share)
    x = int(scene.random.integers(0, max(1, scene.width_px - width + 1)))
    y = int(scene.random.integers(0, max(1, scene.height_px - height + 1)))
    return scene.host().overlay(stream.filter("scale", width, height, flags=SCALING), x=x, y=y, shortest=1)


def grid(stream: Any, scene: Scene, side: int) -> Any:
    """Show the query in one field of a grid of side x side fields; the host fills the others."""
    width, height = even(scene.width_px / side), even(scene.height_px / side)
    tiled = scene.host().filter("scale", width, height, flags=SCALING).filter_multi_output("split")
    at = int(scene.random.integers(side * side))
    fields = [tiled[number] for number in range(side * side - 1)]
    fields.insert(at, stream.filter("scale", width, height, flags=SCALING))
    places = "|".join(f"{width * (n % side)}_{height * (n // side)}" for n in range(side * side))
    return ffmpeg.filter(fields, "xstack", inputs=side * side, layout=places, shortest=1)


def upright(stream: Any, scene: Scene, filling: str) -> Any:
    """Show the query across an upright frame of 9:16: between black bars, or over a blurred copy of itself."""
    width = min(scene.width_px, even(scene.height_px * 9 / 16) * 2)
    height = even(width * 16 / 9)
    if filling == "black":
        return stream.filter("scale", width, -2, flags=SCALING).filter("pad", width, height, "0", "(oh-ih)/2")
    copies = stream.filter_multi_output("split")
    grown = copies[0].filter("scale", width, height, force_original_aspect_ratio="increase", flags=SCALING)
    behind = grown.filter("crop", width, height).filter("gblur", sigma=round(0.04 * width, 3))
    return behind.overlay(copies[1].filter("scale", width, -2, flags=SCALING), x=0, y="(H-h)/2")


def blend(stream: Any, scene: Scene, share: float) -> Any:
    """Let the host shine through."""
    layer = scene.host().filter("format", "yuva420p").filter("colorchannelmixer", aa=share)
    return stream.overlay(layer, x="(W-w)/2", y="(H-h)/2", shortest=1)  # after a crop sizes differ


def take_out_frames(stream: Any, scene: Scene, share: float) -> Any:
    """Take frames out at random and close the gaps: the video gets shorter."""
    seed = int(scene.random.integers(1, 2**31))
    kept = stream.filter("select", f"if(eq(n,0),st(0,{seed})*0+1,gt(random(0),{share}))")
    return kept.filter("setpts", f"N/{scene.fps}/TB")


def frame_rate(stream: Any, scene: Scene, fps: float) -> Any:
    """Show fewer frames a second."""
    return stream.filter("fps", fps=min(fps, scene.fps), round="near")


def drop_frames(stream: Any, scene: Scene, share: float) -> Any:
    """Drop frames at random; each is replaced by the frame before, so the length is kept."""
    seed = int(scene.random.integers(1, 2**31))
    # random(0) is seeded by the value of variable 0, which is set in the first frame.
    chosen = stream.filter("select", f"if(eq(n,0),st(0,{seed})*0+1,gt(random(0),{share}))")
    return chosen.filter("fps", fps=scene.fps, round="near")
