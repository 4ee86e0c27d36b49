"""Every encoder takes clips of its kind and gives features of the size it says, with a gradient to every weight."""

import pytest
import torch

from train.config.schema import ModelConfig
from train.model.encoders import build_encoders
from train.model.tiny_nets import Pointwise2d

LARGE = [pytest.param(video, "resnet18", marks=pytest.mark.slow) for video in ("r2plus1d_18", "r3d_18", "s3d")]


@pytest.mark.parametrize(("video", "audio"), [("tiny", "tiny"), *LARGE])
def test_features_and_projections_have_their_shapes_and_every_weight_learns(video, audio):
    torch.manual_seed(0)
    encoders = build_encoders(ModelConfig(video=video, audio=audio, projection_dim=16))
    clips = torch.randn(2, 3, 16, 64, 64)
    features, sound = encoders.video(clips), encoders.audio(torch.randn(2, 1, 64, 61))
    assert features.shape == (2, encoders.video_dim)
    assert sound.shape == (2, encoders.audio_dim)
    made = [project(features) for project in (encoders.project_within_video, encoders.project_video)]
    made += [project(sound) for project in (encoders.project_audio, encoders.project_within_audio)]
    for z in made:
        assert z.shape == (2, 16)
        assert torch.allclose(z.norm(dim=1), torch.ones(2), atol=1e-5)
    torch.stack(made).pow(3).sum().backward()
    assert not [name for name, p in encoders.named_parameters() if p.grad is None]


def test_the_tiny_video_encoder_sees_the_order_of_frames():
    torch.manual_seed(0)
    encoders = build_encoders(ModelConfig(video="tiny", audio="tiny")).eval()
    clip = torch.randn(1, 3, 8, 64, 64)
    assert not torch.allclose(encoders.video(clip), encoders.video(clip.flip(2)), atol=1e-4)


def test_projections_are_centred_over_the_batch():
    """Or all embeddings could move away together from those of the past that the bank holds."""
    torch.manual_seed(0)
    encoders = build_encoders(ModelConfig(video="tiny", audio="tiny", projection_dim=16))
    features = 3.0 + torch.randn(32, encoders.video_dim)
    for projection in (encoders.within_video_projection, encoders.video_projection, encoders.audio_projection):
        projected = projection(features)
        assert projected.mean(dim=0).abs().max() < 1e-4
        assert projected.std(dim=0, correction=0).sub(1).abs().max() < 0.05


@pytest.mark.parametrize("c_in", [1, 4, 16])
@pytest.mark.parametrize("stride", [(2, 1), (2, 2)])
def test_short_cuts_have_the_gradients_of_a_strided_convolution(c_in, stride):
    """Of few channels, and channels last, oneDNN's own are wrong on some processors, or end the process."""
    torch.manual_seed(0)
    shortcut = Pointwise2d(c_in, 8, 1, stride, bias=False)
    x = torch.randn(16, c_in, 9, 16)
    exact_x, exact_weight = (values.detach().double().requires_grad_() for values in (x, shortcut.weight))
    exact = torch.nn.functional.conv2d(exact_x, exact_weight, stride=stride)
    shortcut.to(memory_format=torch.channels_last)
    x = x.to(memory_format=torch.channels_last).requires_grad_()
    made = shortcut(x)
    assert torch.allclose(made.double(), exact, atol=1e-5)
    exact.pow(3).sum().backward()
    made.pow(3).sum().backward()
    assert torch.allclose(x.grad.double(), exact_x.grad, atol=1e-3, rtol=1e-4)
    assert torch.allclose(shortcut.weight.grad.double(), exact_weight.grad, atol=1e-2, rtol=1e-4)
