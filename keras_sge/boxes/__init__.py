"""Which anchor answers for which object."""

from keras_sge.boxes.label_encoder import LabelEncoder

__all__ = ["LabelEncoder"]
