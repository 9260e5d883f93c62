"""Graphs as ONNX models in QDQ form. The package ``onnx`` is optional and loaded when a model is written."""

from codegen.exporters.onnx._export import export_onnx, require_onnx

__all__ = ["export_onnx", "require_onnx"]
