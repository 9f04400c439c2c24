"""Evaluation: a detector run over a data set, its figures, and how sure they are."""

from keras_sge.evaluation.detector import open_detector
from keras_sge.evaluation.evaluation import EvaluationResult, evaluate, record_detections, score_records
from keras_sge.evaluation.intervals import BootstrapResult, bootstrap
from keras_sge.evaluation.metrics import average_precision
from keras_sge.evaluation.pictures import evaluation_pictures
from keras_sge.evaluation.pooling import pool_records
from keras_sge.evaluation.protocol import SCORE_THRESHOLD, Protocol
from keras_sge.evaluation.records import DetectionRecords, FrameRecord

__all__ = [
    "SCORE_THRESHOLD",
    "BootstrapResult",
    "DetectionRecords",
    "EvaluationResult",
    "FrameRecord",
    "Protocol",
    "average_precision",
    "bootstrap",
    "evaluate",
    "evaluation_pictures",
    "open_detector",
    "pool_records",
    "record_detections",
    "score_records",
]
