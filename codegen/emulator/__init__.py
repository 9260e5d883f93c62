"""Runs a built model on an emulated core and tells what it did: outputs, instructions, cycles per layer, stack, stray accesses."""

from codegen.emulator.execute import execute
from codegen.emulator.interface import RUN_LAYER, Execution, ExecutionFault, LayerProfile, ModelInterface, StrayAccess

__all__ = ["RUN_LAYER", "Execution", "ExecutionFault", "LayerProfile", "ModelInterface", "StrayAccess", "execute"]
