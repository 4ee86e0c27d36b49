"""Encoders as ONNX: clips in, features and projections out, any batch size; compared with torch before it is kept."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from train.errors import ExportError
from train.model.encoders import Encoders
from train.model.spaces import Modality

TOLERANCE = 1e-4
"""Largest difference from torch, relative to the largest value of an output. fp32 kernels that add in another order stay
far below it; a wrong operator does not."""
OUTPUTS = ("features", "projection", "projection_within")
_CHECKED_BATCHES = (1, 3)
_OPSET = 20


class Tower(nn.Module):
    """One encoder with its projections: clips to features (B, D) and unit vectors (B, P), in the order of OUTPUTS."""

    def __init__(self, encoders: Encoders, modality: Modality) -> None:
        super().__init__()
        self.encoders = encoders  # the exporter keeps only the part that forward uses
        self.modality = modality

    def forward(self, clips: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, T, H, W) or (B, 1, n_mels, C) float32."""
        each, modality = self.encoders, self.modality
        features = getattr(each, modality)(clips)
        return features, each.project(modality, features), getattr(each, f"project_within_{modality}")(features)


def onnx_model(tower: Tower, name: str, shape: Sequence[int], metadata: dict[str, str]) -> bytes:
    """Convert a tower in eval mode on the CPU, and compare the result with it.

    Args:
        tower: the network.
        name: of its input.
        shape: of one clip, without the batch.
        metadata: kept in the file.

    Returns:
        The ONNX file.

    Raises:
        ExportError: it cannot be converted, or onnxruntime computes something else.
    """
    example = torch.zeros(2, *shape)  # (B, ...): with one row the exporter would make the batch size a constant
    try:
        program = torch.onnx.export(
            tower, (example,), dynamo=True, opset_version=_OPSET, input_names=[name],
            output_names=list(OUTPUTS), dynamic_shapes=({0: torch.export.Dim("batch")},),
            external_data=False, verbose=False,
        )  # fmt: skip
    except torch.onnx.OnnxExporterError as error:
        raise ExportError(f"{name}: torch cannot export this encoder to ONNX ({error}); use --no-onnx") from error
    if program is None:
        raise ExportError(f"{name}: torch gave no ONNX program; use --no-onnx")
    model = _without_traces(program.model_proto.SerializeToString(), metadata)
    require_same(model, tower, name, shape)
    return model


def _without_traces(model: bytes, metadata: dict[str, str]) -> bytes:
    """Remove the exporter's notes from the graph: stack traces with the paths of this machine."""
    import onnx

    proto = onnx.load_model_from_string(model)
    for part in (proto, proto.graph, *proto.graph.node, *proto.graph.value_info, *proto.graph.initializer,
                 *proto.graph.input, *proto.graph.output, *proto.functions):  # fmt: skip
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    onnx.helper.set_model_props(proto, metadata)
    onnx.checker.check_model(proto)
    return proto.SerializeToString()


def require_same(model: bytes, tower: Tower, name: str, shape: Sequence[int]) -> None:
    """Compare with torch on random clips, in batches of 1 and of 3.

    Raises:
        ExportError: an output differs by more than TOLERANCE of its largest value.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    for batch in _CHECKED_BATCHES:
        generator = torch.Generator().manual_seed(batch)
        clips = torch.rand(batch, *shape, generator=generator) * 4 - 2  # (B, ...) over the normalised range
        with torch.inference_mode():
            wanted = [each.numpy() for each in tower(clips)]
        for output, want, got in zip(OUTPUTS, wanted, session.run(list(OUTPUTS), {name: clips.numpy()}), strict=True):
            largest = max(float(np.abs(want).max()), float(np.finfo(np.float32).tiny))
            difference = float(np.abs(got - want).max()) / largest if got.shape == want.shape else float("inf")
            if not difference <= TOLERANCE:  # false for NaN
                raise ExportError(
                    f"{name}: {output} of onnxruntime and torch differ by {difference:.1e} of the largest value "
                    f"(batch of {batch}; the limit is {TOLERANCE:.0e}); use --no-onnx, and report it"
                )
