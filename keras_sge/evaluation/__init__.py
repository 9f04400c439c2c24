"""Evaluation: the figures of a detector over a data set."""

from keras_sge.evaluation.average_precision import FrameRecord, average_precision
from keras_sge.evaluation.evaluate import SCORE_THRESHOLD, evaluate
from keras_sge.evaluation.evaluation_result import EvaluationResult
from keras_sge.evaluation.open_detector import open_detector

__all__ = ["SCORE_THRESHOLD", "EvaluationResult", "FrameRecord", "average_precision", "evaluate", "open_detector"]
