"""Encoders as ONNX: clips in, features and projections out, any batch size; compared with torch before it is kept."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from train.errors import ExportError
from train.model.encoders import Encoders

Modality = Literal["video", "audio"]

TOLERANCE = 1e-4
"""Largest difference to torch, relative to the largest value of an output. fp32 kernels that add in other orders stay
far below it; a wrong operator does not."""
CHECKED_BATCHES = (1, 3)
OUTPUTS = ("features", "projection", "projection_within")
OPSET = 20


@dataclass(frozen=True)
class Input:
    """What a network takes: `name`, and `shape` of one clip without the batch, float32 in about [-2, 2]."""

    name: str
    shape: tuple[int, ...]


class Tower(nn.Module):
    """One encoder with its projections: clips to features (B, D) and unit vectors (B, P), in the order of OUTPUTS."""

    def __init__(self, encoders: Encoders, modality: Modality) -> None:
        super().__init__()
        self.encoders = encoders  # the exporter keeps what forward uses
        self.modality = modality

    def forward(self, clips: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, T, H, W) or (B, 1, n_mels, C) float32."""
        each = self.encoders
        if self.modality == "video":
            features = each.video(clips)
            return features, each.project_video(features), each.project_within_video(features)
        features = each.audio(clips)
        return features, each.project_audio(features), each.project_within_audio(features)


def onnx_model(tower: Tower, given: Input, metadata: dict[str, str]) -> bytes:
    """The ONNX file of a tower in eval mode on the CPU, checked against it.

    Args:
        tower: what to convert.
        given: its input.
        metadata: kept in the file.

    Raises:
        ExportError: it cannot be converted, or onnxruntime computes something else.
    """
    example = torch.zeros(2, *given.shape)  # (B, ...): of one row the exporter would make a constant
    try:
        program = torch.onnx.export(
            tower, (example,), dynamo=True, opset_version=OPSET, input_names=[given.name],
            output_names=list(OUTPUTS), dynamic_shapes=({0: torch.export.Dim("batch")},),
            external_data=False, verbose=False,
        )  # fmt: skip
    except torch.onnx.OnnxExporterError as error:
        raise ExportError(f"{given.name}: torch cannot export this encoder to ONNX ({error}); use --no-onnx") from error
    if program is None:
        raise ExportError(f"{given.name}: torch gave no ONNX program; use --no-onnx")
    model = _without_traces(program.model_proto.SerializeToString(), metadata)
    require_same(model, tower, given)
    return model


def _without_traces(model: bytes, metadata: dict[str, str]) -> bytes:
    """The same graph without the exporter's notes: they hold stack traces with the paths of this machine."""
    import onnx

    proto = onnx.load_model_from_string(model)
    for part in (proto, proto.graph, *proto.graph.node, *proto.graph.value_info, *proto.graph.initializer,
                 *proto.graph.input, *proto.graph.output, *proto.functions):  # fmt: skip
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    onnx.helper.set_model_props(proto, metadata)
    onnx.checker.check_model(proto)
    return proto.SerializeToString()


def require_same(model: bytes, tower: Tower, given: Input) -> None:
    """Compare with torch on random clips, for batches of 1 and of 3.

    Raises:
        ExportError: an output differs by more than TOLERANCE of its largest value.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    for batch in CHECKED_BATCHES:
        generator = torch.Generator().manual_seed(batch)
        clips = torch.rand(batch, *given.shape, generator=generator) * 4 - 2  # (B, ...) over the normalised range
        with torch.inference_mode():
            wanted = tower(clips)
        names = OUTPUTS
        found = session.run(list(names), {given.name: clips.numpy()})
        for name, want, got in zip(names, wanted, found, strict=True):
            difference = _relative_difference(want.numpy(), got)
            if not difference <= TOLERANCE:  # false for NaN
                raise ExportError(
                    f"{given.name}: {name} by onnxruntime differ from torch's by {difference:.1e} of the largest value "
                    f"(batch of {batch}; allowed is {TOLERANCE:.0e}); use --no-onnx, and report it"
                )


def _relative_difference(want: np.ndarray, got: np.ndarray) -> float:
    if want.shape != got.shape:
        return float("inf")
    return float(np.abs(got - want).max() / max(float(np.abs(want).max()), np.finfo(np.float32).tiny))
