"""Numpy reference of every operator: the specification of this package's integer semantics.

It is exact to TensorFlow Lite Micro's reference kernels (and CMSIS-NN's), not to desktop TensorFlow Lite.
"""

from codegen.reference._run import REFERENCE, run

__all__ = ["REFERENCE", "run"]
