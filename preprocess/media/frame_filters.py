"""ffmpeg's filters from the images of a source to frames of one size, upright, progressive, and of standard range.

ffmpeg applies the container's cropping and turns images upright before the first filter.
"""

from preprocess.media.media_info import MediaInfo

SAME_SHAPE = 0.02
"""Relative difference of two aspect ratios that is left to scaling: that of sizes rounded to whole blocks of pixels."""
_JPEG_COLOUR = {"out_range": "pc", "out_color_matrix": "bt601", "out_h_chr_pos": 128, "out_v_chr_pos": 128}
"""The scaler converts every source to the planes of preprocess/media/planes.py; 128/256 is the middle of four pixels."""
_TONE_MAP = (
    # Streams of PQ and HLG that lack the other two tags are of BT.2020 too (BT.2100); zscale would fail without them.
    "setparams=color_primaries=bt2020:colorspace=bt2020nc",
    "zscale=transfer=linear:npl=100",
    "format=gbrpf32le",
    "zscale=primaries=bt709",
    "tonemap=mobius:param=0.5:desat=0",  # keeps what is darker than half of white, and compresses the rest
    "zscale=transfer=bt709:matrix=bt709:range=limited",
    "format=yuv420p",
)


def filter_text(name: str, **options: object) -> str:
    """A filter of a stream's own graph: in a common graph, a change of the audio would restart the video too."""
    return f"{name}=" + ":".join(f"{option}={value}" for option, value in options.items())


def deinterlaced(info: MediaInfo) -> list[str]:
    """Filters that must see all images. Two fields in one frame are two instants: every moving edge would be double."""
    return ["bwdif=mode=send_frame:deint=interlaced"] if info.is_interlaced else []


def fitted(info: MediaInfo, width_px: int, height_px: int) -> list[str]:
    """Filters to yuv420p frames, laid out as in preprocess/media/planes.py, of this size.

    An image whose shape differs from the first one's, because the source changes in mid-stream, gets black borders.
    """
    relative = f"dar/{info.aspect_ratio:.6f}"
    sides = {"w": (width_px, relative), "h": (height_px, f"1/({relative})")}
    # A rebuilt filter evaluates this anew for images of another size.
    fit = {
        side: f"'if(lt(abs({relative}-1),{SAME_SHAPE}),{px},2*max(1,round({px}*min(1,{share})/2)))'"
        for side, (px, share) in sides.items()
    }
    sizing = {**fit, "eval": "frame", "flags": "area+accurate_rnd"}
    # Fewer pixels first: tone mapping takes floating-point numbers.
    scaling = [filter_text("scale", **sizing), *_TONE_MAP] if info.is_hdr else []
    colours = _JPEG_COLOUR if info.is_hdr else sizing | _JPEG_COLOUR
    pad = filter_text("pad", w=width_px, h=height_px, x=-1, y=-1, eval="frame")
    return [*scaling, filter_text("scale", **colours), pad, "format=yuv420p"]
