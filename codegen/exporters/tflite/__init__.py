"""Graphs as int8 TensorFlow Lite models."""

from codegen.exporters.tflite._export import export_tflite

__all__ = ["export_tflite"]
