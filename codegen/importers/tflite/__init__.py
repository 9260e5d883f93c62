"""Int8 TensorFlow Lite models as graphs."""

from codegen.importers.tflite._import import import_tflite

__all__ = ["import_tflite"]
