"""Networks that listen all the time, twice with the same bits: as numpy functions and as ``<m>_push`` in C.

:class:`Stream` is what brings samples to a network and decisions out of it, of a :class:`Task`: classes or alarms;
:class:`StreamReference` is the reference, ``c_source`` gives the C files of an exported project; :mod:`codegen.stream_emulation`
runs them.
"""

from codegen.streaming.anomaly_detection import AnomalyDetection
from codegen.streaming.classification import ONE, Classification
from codegen.streaming.records import Decisions
from codegen.streaming.reference import StreamReference, decisions
from codegen.streaming.settings import StreamSettings, default_settings
from codegen.streaming.stream import Stream, can_stream, sound_stream, stream_from_json
from codegen.streaming.task import Task

__all__ = [
    "ONE",
    "AnomalyDetection",
    "Classification",
    "Decisions",
    "Stream",
    "StreamReference",
    "StreamSettings",
    "Task",
    "can_stream",
    "decisions",
    "default_settings",
    "sound_stream",
    "stream_from_json",
]
