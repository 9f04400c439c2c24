"""SGE-Net and its parts."""

from keras_sge.models.checkpoints import load_model
from keras_sge.models.sge_net import SGENet
from keras_sge.models.step_model import build_step_model, copy_weights, step_model_from

__all__ = ["SGENet", "build_step_model", "copy_weights", "load_model", "step_model_from"]
