"""Encoders as files for use elsewhere: safetensors, ONNX, model card."""
