"""Weights of four bits: which ones, how flash holds them, and the kernels that unpack them before they compute."""

from codegen.int4.kernel import PART_BYTES, UNPACK, Int4Kernel, Int4Spec, int4_hash, parts_of, select, unpacking
from codegen.int4.weights import LEAST_WEIGHTS, WeightBits, as_bytes, int4_chain, int4_graph, packed, takes_int4

__all__ = [
    "LEAST_WEIGHTS",
    "PART_BYTES",
    "UNPACK",
    "Int4Kernel",
    "Int4Spec",
    "WeightBits",
    "as_bytes",
    "int4_chain",
    "int4_graph",
    "int4_hash",
    "packed",
    "parts_of",
    "select",
    "takes_int4",
    "unpacking",
]
