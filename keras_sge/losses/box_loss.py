"""The localisation half of the MultiBox loss."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_sge")
class BoxLoss(keras.losses.Loss):
    """Smooth L1 between box codes, over the anchors that answer for an object (Liu et al., SSD, eq. 2).

    `y_true` is (batch, ..., anchors, 5): codes and a weight that is 1 at such anchors; `y_pred` is
    (batch, ..., anchors, 4). The value is the sum over the batch divided by the number of such anchors in it, 0 when
    there is none.
    """

    def __init__(self, name="box_loss", **kwargs):
        super().__init__(name=name, **kwargs)

    def call(self, y_true, y_pred):
        weight = y_true[..., 4]
        error = ops.abs(y_true[..., :4] - y_pred)
        smooth = ops.sum(ops.where(error < 1, 0.5 * error * error, error - 0.5), axis=-1) * weight
        per_clip = ops.sum(ops.reshape(smooth, (ops.shape(smooth)[0], -1)), axis=-1)
        # Keras takes the mean over the batch; SSD divides by the batch's matched anchors.
        return per_clip * ops.cast(ops.shape(per_clip)[0], per_clip.dtype) / ops.maximum(ops.sum(weight), 1.0)
