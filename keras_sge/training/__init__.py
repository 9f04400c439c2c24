"""Training: a configuration in, a run folder out."""

from keras_sge.config.run_folder import RunFolder
from keras_sge.training.fit import compile_for_training, train

__all__ = ["RunFolder", "compile_for_training", "train"]
