"""Configurations: presets load, survive a round trip, and refuse unknown or impossible settings by name."""

import re
from contextlib import nullcontext

import pytest
import torch

from train.config.load import PRESETS_DIR, load_config, objective_names, preset_names
from train.config.schema import ModelConfig
from train.errors import ConfigError
from train.model.encoders import build_encoders


@pytest.mark.parametrize("name", preset_names(PRESETS_DIR))
def test_presets_survive_a_round_trip(name, tmp_path):
    config = load_config(name, ["optim.lr=1e-4", "clip.speeds=[1, 2, 4]"])
    assert config.optim.lr == 1e-4
    assert config.clip.speeds == (1, 2, 4)
    saved = tmp_path / "config.yaml"
    saved.write_text(config.to_yaml())
    assert load_config(saved) == config


WRONG = {
    "sample": [
        "optim.learning_rate=1", "optim.accumulate=0", "optim.lr=.inf", "steps=many", "steps=0", "loss=3", "seed=-1",
        f"seed={1 << 63}", "data.window_frames=4", "data.batch_size=1", "loss.temperature=0", "loss.video_video=-1",
        "bank.positives=best", "bank.n_negatives=385", "bank.positive_ranks=129",
        "clip.speeds=[4, 2]", "clip.speeds=[]", "clip.n_frames=1", "clip.reverse_probability=1.5",
        "clip.reverse_probability=1", "clip.balanced_order=false", "augment.scale_min=0", "augment.crop_columns=[0.5, 1]",
        "augment.crop_bands=[1, 0.5]", "augment.crop_bands=[0, 1]", "augment.mask_mels=-1", "augment.gain_db=-1",
        "augment.mix_max=0.5", "distort.video.rectangles=-1", "distort.video.blur_sides=[]", "distort.video.gamma_max=0.5",
        "distort.audio.noise_probability=2",
    ],
    "fingerprint": [  # two views of one moment
        "loss.speed_video=1", "loss.order_video_audio=0.1", "clip.pace_max=0.9", "clip.jitter_frames=-1",
        "data.window_frames=15", "data.frame_px=80", "distort.video.colour=1",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("preset", "override"), [(name, each) for name, wrong in WRONG.items() for each in wrong])
def test_a_wrong_setting_is_refused_by_its_name(preset, override):
    with pytest.raises(ConfigError, match=re.escape(override.partition("=")[0])):
        load_config(preset, [override])


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ("optim.lr", "key.subkey=value"),
        ("bank.negative_rank_high=999999", "negative_rank_high"),
        ("optim.lr=[", r"optim.lr=\[.*YAML"),
        ("name=${", r"name=\$\{ does not hold settings"),
        ("data.shards=/\udcff", "does not hold settings"),
        ("clip.crop_px=64", "clip.crop_px is cut out of data.frame_px"),  # 48: the middle square would be a corner
        ("clip.speeds=[1]; clip.eval_speed=1", "loss.speed_"),
        ("clip.speeds=[1, 10]; clip.eval_speed=1", "give data.window_frames the 71 frames of the second slowest"),
        ("clip.n_frames=33", "loss.speed_.* 65 frames"),
        ("clip.n_frames=33; loss.speed_video=0; loss.speed_audio=0", r"loss\.order_.* 66 frames"),
        ("distort.enabled=true", "distort.enabled changes the pitch"),
        ("clip.eval_speed=3", "clip.eval_speed must be one of clip.speeds"),
        ("distort.audio.mix_db=[3, 1]", "distort.audio.mix_db.*lowest value first"),
    ],
)
def test_settings_that_make_no_sense_are_refused_with_the_reason(overrides, words):
    with pytest.raises(ConfigError, match=words):
        load_config("sample", overrides.split("; "))


@pytest.mark.parametrize(("n_frames", "crop_px", "is_enough"), [(5, 17, True), (4, 17, False), (5, 16, False)])
def test_the_smallest_clip_of_s3d_is_what_it_can_compute(n_frames, crop_px, is_enough):
    with torch.device("meta"):
        video = build_encoders(ModelConfig(video="s3d", audio="tiny")).video_net
        clips = torch.zeros(2, 3, n_frames, crop_px, crop_px)
    settings = ["model.video=s3d", f"clip.n_frames={n_frames}", f"clip.crop_px={crop_px}"]
    with nullcontext() if is_enough else pytest.raises(RuntimeError, match="Output size"):
        video(clips)
    with nullcontext() if is_enough else pytest.raises(ConfigError, match=r"clip\.n_frames of 5"):
        load_config("sample", settings)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00steps", b"- steps", b"3", b"steps: [", b"!!python/object:os.x {}"])
def test_a_file_without_settings_is_refused_by_its_path(tmp_path, content):
    path = tmp_path / "own.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"own\.yaml does not hold settings in YAML"):
        load_config(path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nothing",), "kinetics400, sample"),
        (("sample", (), "supervised"), r"no objective 'supervised'; there are: whole, avid, avid-cma"),
        (("sample", ["objective=avid"]), "give --objective NAME"),
        (("esc50", (), "avid"), "no term has a weight above 0"),  # esc50 has audio alone
    ],
)
def test_unknown_names_are_refused_with_the_known_ones(arguments, words):
    with pytest.raises(ConfigError, match=words):
        load_config(*arguments)


@pytest.mark.parametrize("objective", objective_names())
def test_an_objective_changes_terms_and_draws_alone_and_reads_as_many_negatives(objective):
    whole, other = load_config("sample").flat(), load_config("sample", objective=objective).flat()
    changes = {name: value for name, value in other.items() if whole[name] != value}
    assert changes.pop("objective", "whole") == objective
    assert bool(changes) == (objective != "whole")
    assert changes.pop("bank.positive_ranks", 32) == 32
    for name, value in changes.items():
        assert (name.startswith("loss.") and value == 0) or name in ("bank.positives", "bank.negatives"), name
    is_rival = objective in ("video-only", "avid", "avid-cma")
    has_fewer = objective == "without-negatives"
    assert other["bank.negatives"] == ("random" if is_rival else "none" if has_fewer else "ranked")
    assert changes.get("bank.positives", "none") == ("consensus" if objective == "avid-cma" else "none")


@pytest.mark.parametrize(
    ("objective", "terms"),
    [
        ("video-only", {"video_video"}), ("avid", {"video_audio"}), ("avid-cma", {"video_video", "video_audio"}),
        ("temporal-without-order", {"speed_video", "speed_audio", "direction_video", "direction_audio"}),
    ],
)  # fmt: skip
def test_rivals_keep_the_terms_that_name_them_and_settings_have_the_last_word(objective, terms):
    weights = load_config("sample", ["loss.order_audio=0.5"], objective=objective).as_dict()["loss"]
    assert weights["order_audio"] == 0.5
    assert {name for name, weight in weights.items() if weight > 0} == terms | {"order_audio", "temperature"}
