"""Keras layers: the Squeezed GRU and its rivals, the information entropy map and what joins them to a detector."""

from keras_sge.layers.bottleneck_lstm_cell import BottleneckLSTMCell
from keras_sge.layers.conv_gru_cell import ConvGRUCell
from keras_sge.layers.feature_enhancement import FeatureEnhancement
from keras_sge.layers.fold_time import FoldTime, UnfoldTime
from keras_sge.layers.information_entropy_map import InformationEntropyMap
from keras_sge.layers.rnn2d import RNN2D
from keras_sge.layers.separable_gru_cell import SeparableGRUCell
from keras_sge.layers.separable_lstm_cell import SeparableLSTMCell
from keras_sge.layers.squeezed_gru2d import SqueezedGRU2D
from keras_sge.layers.squeezed_gru_cell import SqueezedGRUCell

__all__ = [
    "RNN2D",
    "BottleneckLSTMCell",
    "ConvGRUCell",
    "FeatureEnhancement",
    "FoldTime",
    "InformationEntropyMap",
    "SeparableGRUCell",
    "SeparableLSTMCell",
    "SqueezedGRU2D",
    "SqueezedGRUCell",
    "UnfoldTime",
]
