"""Runs a built model on an emulated core and tells what it did: outputs, instructions, cycles per layer, stack, stray accesses."""

from codegen.emulator.execute import execute
from codegen.emulator.interface import RUN_LAYER, Execution, ExecutionFault, LayerProfile, ModelInterface, StrayAccess
from codegen.emulator.many import BATCH, Executions, execute_many

__all__ = [
    "BATCH",
    "RUN_LAYER",
    "Execution",
    "ExecutionFault",
    "Executions",
    "LayerProfile",
    "ModelInterface",
    "StrayAccess",
    "execute",
    "execute_many",
]
