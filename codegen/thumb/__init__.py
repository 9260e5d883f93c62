"""Decoder of the Thumb instructions of Armv6-M and Armv7E-M: enough of each to time it and to tell which cores have it."""

from codegen.thumb.decode import decode, decode_range
from codegen.thumb.instruction import Instruction, Kind, UnknownInstruction

__all__ = ["Instruction", "Kind", "UnknownInstruction", "decode", "decode_range"]
