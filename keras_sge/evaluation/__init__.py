"""Evaluation: a detector run over a data set, its figures, and how sure they are."""

from keras_sge.evaluation.average_precision import average_precision
from keras_sge.evaluation.bootstrap import BootstrapResult, bootstrap
from keras_sge.evaluation.detection_records import DetectionRecords
from keras_sge.evaluation.evaluate import evaluate
from keras_sge.evaluation.evaluation_pictures import evaluation_pictures
from keras_sge.evaluation.evaluation_result import EvaluationResult
from keras_sge.evaluation.frame_record import FrameRecord
from keras_sge.evaluation.open_detector import open_detector
from keras_sge.evaluation.protocol import SCORE_THRESHOLD, Protocol
from keras_sge.evaluation.record_detections import record_detections
from keras_sge.evaluation.score_records import score_records

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
    "record_detections",
    "score_records",
]
