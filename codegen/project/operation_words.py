"""How reports speak of how often a stream is wrong (``stream.operation`` in ``report.json``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class OperationWords:
    """What detections are called that are ``false``, what there is to be detected (``events``), and what becomes of events that
    are not (``missed``)."""

    false: str
    missed: str
    events: str

    def threshold(self, point: Mapping[str, Any]) -> str:
        """The threshold of a point of the curve, as a real number."""
        from codegen.streaming import ONE

        # Reports of earlier versions have the real ones of alarms alone.
        return f"{point.get('real_threshold', point['threshold'] / ONE):.3f}"


CLASSES = OperationWords("false accepts", "false rejects", "events")
ALARMS = OperationWords("false alarms", "missed", "recordings of anomalies")


def operation_words(operation: Mapping[str, Any]) -> OperationWords:
    """Those for an operation as ``report.json`` has it."""
    return ALARMS if operation.get("task") == "anomaly detection" else CLASSES
