"""Streams of built projects in the emulator: a recording's decisions compared with the reference's, and what they cost."""

from codegen.stream_emulation.costs import StreamCosts, stream_costs
from codegen.stream_emulation.runner import StreamRunner
from codegen.stream_emulation.verify import Detection, StreamVerification, verify_stream

__all__ = ["Detection", "StreamCosts", "StreamRunner", "StreamVerification", "stream_costs", "verify_stream"]
