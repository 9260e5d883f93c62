"""How badly an autoencoder reconstructs its input, twice with the same bits: as a numpy function and in the C of a project."""

from codegen.anomaly.detector import AnomalyDetector, anomaly_detector, detector_from_json

__all__ = ["AnomalyDetector", "anomaly_detector", "detector_from_json"]
