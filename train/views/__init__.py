"""Clips on the device: temporal views, augmentation, distortion."""
