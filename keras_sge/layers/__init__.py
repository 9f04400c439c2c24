"""Keras layers: the Squeezed GRU, the information entropy map and what joins them to a detector."""

from keras_sge.layers.feature_enhancement import FeatureEnhancement
from keras_sge.layers.fold_time import FoldTime, UnfoldTime
from keras_sge.layers.information_entropy_map import InformationEntropyMap
from keras_sge.layers.rnn2d import RNN2D
from keras_sge.layers.squeezed_gru2d import SqueezedGRU2D
from keras_sge.layers.squeezed_gru_cell import SqueezedGRUCell

__all__ = [
    "RNN2D",
    "FeatureEnhancement",
    "FoldTime",
    "InformationEntropyMap",
    "SqueezedGRU2D",
    "SqueezedGRUCell",
    "UnfoldTime",
]
