"""The MultiBox loss of SSD in its two halves: where the boxes are, and what is in them."""

from keras_sge.losses.box_loss import BoxLoss
from keras_sge.losses.class_loss import ClassLoss


def multibox_loss(negatives_per_positive=3.0):
    """Both halves, keyed by the network's outputs, as `model.compile(loss=...)` takes them."""
    return {"boxes": BoxLoss(), "scores": ClassLoss(negatives_per_positive)}


__all__ = ["BoxLoss", "ClassLoss", "multibox_loss"]
