"""Keras layers: the Squeezed GRU and its rivals, the information entropy map and what joins them to a detector."""

from keras_sge.layers.bottleneck_lstm import BottleneckLSTMCell
from keras_sge.layers.conv_gru import ConvGRUCell
from keras_sge.layers.correction_gru import CorrectionGRU2D, CorrectionGRUCell
from keras_sge.layers.entropy import FeatureEnhancement, InformationEntropyMap
from keras_sge.layers.gru import SeparableGRUCell
from keras_sge.layers.lstm import SeparableLSTMCell
from keras_sge.layers.rnn2d import RNN2D, FoldTime, UnfoldTime
from keras_sge.layers.squeezed_gru import SqueezedGRU2D, SqueezedGRUCell

__all__ = [
    "RNN2D",
    "BottleneckLSTMCell",
    "ConvGRUCell",
    "CorrectionGRU2D",
    "CorrectionGRUCell",
    "FeatureEnhancement",
    "FoldTime",
    "InformationEntropyMap",
    "SeparableGRUCell",
    "SeparableLSTMCell",
    "SqueezedGRU2D",
    "SqueezedGRUCell",
    "UnfoldTime",
]
