"""Networks that listen all the time: what they take for an event, how often they are wrong, and a person's long recordings."""

from nas.streaming.listening import Judge, Listen, Listening, choose_operation, listener, state_operation
from nas.streaming.operation import Operation
from nas.streaming.scene import background_classes, stream_for

__all__ = [
    "Judge",
    "Listen",
    "Listening",
    "Operation",
    "background_classes",
    "choose_operation",
    "listener",
    "state_operation",
    "stream_for",
]
