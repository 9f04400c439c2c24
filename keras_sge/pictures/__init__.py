"""Pictures for people: training curves and the entropy map."""

from keras_sge.pictures.entropy_figure import entropy_figure
from keras_sge.pictures.training_curves import training_curves

__all__ = ["entropy_figure", "training_curves"]
