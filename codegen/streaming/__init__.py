"""Networks that listen all the time, twice with the same bits: as numpy functions and as ``<m>_push`` in C.

:class:`Stream` is what brings samples to a network and decisions out of it, :func:`decisions` the reference,
``c_source`` gives the C files of an exported project; :mod:`codegen.stream_emulation` runs them.
"""

from codegen.streaming.reference import Decisions, decisions
from codegen.streaming.settings import ONE, StreamSettings, default_settings
from codegen.streaming.stream import Stream, sound_stream, stream_from_json

__all__ = [
    "ONE",
    "Decisions",
    "Stream",
    "StreamSettings",
    "decisions",
    "default_settings",
    "sound_stream",
    "stream_from_json",
]
