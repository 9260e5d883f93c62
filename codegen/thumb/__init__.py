"""Decoder of the Thumb instructions of Armv6-M, Armv7E-M and Armv8-M: enough of each to time it and to tell which cores have it."""

from codegen.thumb.decode import decode, decode_range
from codegen.thumb.instruction import Instruction, Kind, UnknownInstruction

__all__ = ["Instruction", "Kind", "UnknownInstruction", "decode", "decode_range"]
