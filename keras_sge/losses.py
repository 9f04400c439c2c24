"""The MultiBox loss of SSD in its two halves: where the boxes are, and what is in them."""

from __future__ import annotations

import keras
from keras import ops


def multibox_loss(negatives_per_positive=3.0, late_weight=None, scores="softmax"):
    """Both halves, keyed by the network's outputs, as `model.compile(loss=...)` takes them; see `ClassLoss`."""
    return {
        "boxes": BoxLoss(late_weight=late_weight),
        "scores": ClassLoss(negatives_per_positive, late_weight=late_weight, scores=scores),
    }


def frame_weights(late_weight, frames):
    """Weights of a clip's frames: they rise linearly, the last is `late_weight` times the first, their mean is 1.

    Args:
        late_weight: above 0. frames: how many there are.
    """
    weights = ops.linspace(1.0, late_weight, frames)
    return weights / ops.mean(weights)


def _sum_by_clip(by_frame, late_weight):
    """(batch, ...) to (batch,): the sum over a clip's frames, of (batch, frames) weighted where there is a weight."""
    if late_weight is not None:
        by_frame = by_frame * ops.cast(frame_weights(late_weight, by_frame.shape[1]), by_frame.dtype)
    return ops.sum(ops.reshape(by_frame, (ops.shape(by_frame)[0], -1)), axis=-1)


@keras.saving.register_keras_serializable("keras_sge")
class BoxLoss(keras.losses.Loss):
    """Smooth L1 between box codes, over the anchors that answer for an object (Liu et al., SSD, eq. 2).

    `y_true` is (batch, ..., anchors, 5): codes and a weight that is 1 at such anchors; `y_pred` is
    (batch, ..., anchors, 4). The value is the sum over the batch divided by the number of such anchors in it, 0 when
    there is none.

    Args:
        late_weight: as for `ClassLoss`.
    """

    def __init__(self, late_weight=None, name="box_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        self.late_weight = late_weight

    def call(self, y_true, y_pred):
        weight = y_true[..., 4]
        error = ops.abs(y_true[..., :4] - y_pred)
        smooth = ops.sum(ops.where(error < 1, 0.5 * error * error, error - 0.5), axis=-1) * weight
        per_clip = _sum_by_clip(ops.sum(smooth, axis=-1), self.late_weight)
        # Keras takes the mean over the batch; SSD divides by the batch's matched anchors.
        return per_clip * ops.cast(ops.shape(per_clip)[0], per_clip.dtype) / ops.maximum(ops.sum(weight), 1.0)

    def get_config(self):
        return {**super().get_config(), "late_weight": self.late_weight}


@keras.saving.register_keras_serializable("keras_sge")
class ClassLoss(keras.losses.Loss):
    """Cross-entropy with hard negative mining (Liu et al., SSD, section 2.2).

    `y_true` is int (batch, ..., anchors): class + 1, 0 for background, -1 for anchors that do not count (frames behind
    a short clip's end); `y_pred` holds logits (batch, ..., anchors, classes + 1), of a sigmoid (batch, ..., anchors,
    classes). In each frame the background anchors with the highest loss are kept, `negatives_per_positive` for each
    matched anchor. The value is the sum over the batch divided by the number of its matched anchors.

    Args:
        negatives_per_positive: 3 in SSD.
        minimum_negatives: kept per frame at least, so that empty frames teach too.
        scores: what the logits are: `softmax`, or `sigmoid`, whose loss is the sum of the classes' binary ones.
        late_weight: of clips of known length, (batch, frames, anchors), how much more the last frame weighs than the
            first, see `frame_weights`; None for the same weight in all.
    """

    def __init__(
        self,
        negatives_per_positive=3.0,
        minimum_negatives=3,
        late_weight=None,
        scores="softmax",
        name="class_loss",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.scores = scores
        self.late_weight = late_weight
        self.negatives_per_positive = negatives_per_positive
        self.minimum_negatives = minimum_negatives

    def call(self, y_true, y_pred):
        anchors, classes = y_pred.shape[-2:]
        labels = ops.cast(ops.reshape(y_true, (-1, anchors)), "int32")
        loss = self._cross_entropy(labels, ops.reshape(y_pred, (-1, anchors, classes)))
        positive = ops.cast(labels > 0, loss.dtype)
        background = labels == 0

        wanted = ops.maximum(
            ops.cast(self.negatives_per_positive * ops.sum(positive, axis=-1), "int32"), self.minimum_negatives
        )
        hardness = ops.stop_gradient(ops.where(background, loss, -1.0))
        rank = ops.argsort(ops.argsort(-hardness, axis=-1), axis=-1)
        mined = ops.cast(ops.logical_and(background, rank < wanted[:, None]), loss.dtype)

        by_frame = ops.reshape(ops.sum(loss * (positive + mined), axis=-1), ops.shape(y_pred)[:-2])
        per_clip = _sum_by_clip(by_frame, self.late_weight)
        matched = ops.maximum(ops.sum(positive), 1.0)
        return per_clip * ops.cast(ops.shape(per_clip)[0], per_clip.dtype) / matched

    def get_config(self):
        return {
            **super().get_config(),
            "negatives_per_positive": self.negatives_per_positive,
            "minimum_negatives": self.minimum_negatives,
            "late_weight": self.late_weight,
            "scores": self.scores,
        }

    def _cross_entropy(self, labels, logits):
        """Of each anchor; labels (n, anchors), logits (n, anchors, columns)."""
        columns = logits.shape[-1]
        if self.scores == "softmax":
            truth = ops.one_hot(ops.maximum(labels, 0), columns, dtype=logits.dtype)
            return -ops.sum(truth * ops.log_softmax(logits, axis=-1), axis=-1)
        # Label 0 and what does not count are no class's.
        truth = ops.one_hot(labels - 1, columns, dtype=logits.dtype)
        return ops.sum(ops.softplus(logits) - truth * logits, axis=-1)
