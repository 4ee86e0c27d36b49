"""Encoders as files for use elsewhere: safetensors, their description, ONNX."""
