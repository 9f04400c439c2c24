"""The MultiBox loss against plain twins."""

import keras
import numpy as np
import pytest

from keras_sge.losses import BoxLoss, ClassLoss, multibox_loss


def value(loss, truth, answer):
    return float(keras.ops.convert_to_numpy(loss(truth, answer)))


def plain_box_loss(truth, answer):
    total = matched = 0.0
    for code, reply in zip(truth.reshape(-1, 5), answer.reshape(-1, 4), strict=True):
        if code[4]:
            matched += 1
            for error in np.abs(code[:4] - reply):
                total += error**2 / 2 if error < 1 else error - 0.5
    return total / max(matched, 1)


def plain_class_loss(labels, logits, ratio=3.0, minimum=3):
    total = matched = 0.0
    anchors, classes = logits.shape[-2:]
    for frame, reply in zip(labels.reshape(-1, anchors), logits.reshape(-1, anchors, classes), strict=True):
        shifted = np.exp(reply.astype(np.float64))
        cross_entropy = -np.log(shifted / shifted.sum(-1, keepdims=True))
        positive = frame > 0
        matched += positive.sum()
        total += cross_entropy[positive, frame[positive]].sum()
        wanted = max(int(ratio * positive.sum()), minimum)
        total += sum(sorted(cross_entropy[frame == 0, 0], reverse=True)[:wanted])
    return total / max(matched, 1)


def box_case(seed=0, matched=0.3, shape=(2, 3, 20)):
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, 2, (*shape, 5)).astype(np.float32)
    truth[..., 4] = rng.random(shape) < matched
    return truth, rng.normal(0, 2, (*shape, 4)).astype(np.float32)


def class_case(seed=0, matched=0.1, ignored=0.0, shape=(2, 3, 40), classes=5):
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random(shape) < matched, rng.integers(1, classes, shape), 0).astype(np.int32)
    labels[rng.random(shape) < ignored] = -1
    return labels, rng.normal(0, 3, (*shape, classes)).astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
def test_box_loss_equals_the_plain_twin(seed):
    truth, answer = box_case(seed)
    assert value(BoxLoss(), truth, answer) == pytest.approx(plain_box_loss(truth, answer), rel=1e-5)


def test_box_loss_without_objects_is_zero():
    assert value(BoxLoss(), *box_case(matched=0)) == 0


def test_box_loss_sees_matched_anchors_only():
    truth, answer = box_case()
    other = np.where(truth[..., 4:] == 0, answer + 7, answer)
    assert value(BoxLoss(), truth, other) == value(BoxLoss(), truth, answer)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("options", [{}, {"negatives_per_positive": 1.5}, {"minimum_negatives": 9}])
def test_class_loss_equals_the_plain_twin(seed, options):
    labels, logits = class_case(seed, ignored=0.1)
    expected = plain_class_loss(
        labels, logits, options.get("negatives_per_positive", 3.0), options.get("minimum_negatives", 3)
    )
    assert value(ClassLoss(**options), labels, logits) == pytest.approx(expected, rel=1e-5)


def test_loss_of_sigmoids_is_the_sum_of_binary_ones():
    labels = np.array([[[2, 0, -1, 0, 0]]], np.int32)
    logits = np.random.default_rng(4).normal(0, 2, (1, 1, 5, 3)).astype(np.float32)
    truth = np.zeros((5, 3))
    truth[0, 1] = 1
    probability = 1 / (1 + np.exp(-logits[0, 0].astype(np.float64)))
    by_anchor = -(truth * np.log(probability) + (1 - truth) * np.log(1 - probability)).sum(axis=1)
    hardest = sorted(by_anchor[[1, 3, 4]])[-2:]
    loss = ClassLoss(negatives_per_positive=2, minimum_negatives=0, scores="sigmoid")
    assert value(loss, labels, logits) == pytest.approx(by_anchor[0] + sum(hardest), rel=1e-5)
    # Sure of everything where nothing is known.
    logits[0, 0, 2] = 90
    assert value(loss, labels, logits) == pytest.approx(by_anchor[0] + sum(hardest), rel=1e-5)
    assert ClassLoss.from_config(loss.get_config()).scores == "sigmoid"


def test_more_negatives_wanted_than_there_are():
    labels, logits = class_case(matched=0.6)
    assert value(ClassLoss(), labels, logits) == pytest.approx(plain_class_loss(labels, logits), rel=1e-5)


def test_ignored_anchors_count_for_nothing_however_wrong():
    labels, logits = class_case(ignored=0.3)
    # Sure of an object where nothing is known: the hardest negatives of all, were they negatives.
    other = np.where(labels[..., None] == -1, np.float32([-50, 50, 0, 0, 0]), logits)
    assert value(ClassLoss(), labels, other) == pytest.approx(value(ClassLoss(), labels, logits), rel=1e-6)
    assert value(ClassLoss(), np.full_like(labels, -1), logits) == 0


def test_three_hardest_negatives_for_a_positive():
    labels = np.zeros((1, 1, 10), np.int32)
    labels[0, 0, 4] = 1
    logits = np.zeros((1, 1, 10, 2), np.float32)
    logits[0, 0, :, 1] = np.arange(10)
    cross_entropy = np.log1p(np.exp(logits[0, 0, :, 1].astype(np.float64)))
    expected = np.log1p(np.exp(-4.0)) + cross_entropy[[9, 8, 7]].sum()
    assert value(ClassLoss(), labels, logits) == pytest.approx(expected, rel=1e-5)
    assert value(ClassLoss(negatives_per_positive=1, minimum_negatives=0), labels, logits) == pytest.approx(
        np.log1p(np.exp(-4.0)) + cross_entropy[9], rel=1e-5
    )


def test_empty_frames_teach_by_the_minimum_of_negatives():
    labels, logits = np.zeros((1, 2, 30), np.int32), class_case(shape=(1, 2, 30))[1]
    expected = plain_class_loss(labels, logits, minimum=3)
    assert expected > 0
    assert value(ClassLoss(), labels, logits) == pytest.approx(expected, rel=1e-5)


def test_a_frame_is_mined_for_itself():
    """An easy frame beside a hard one still keeps its own negatives."""
    labels, logits = class_case(shape=(1, 2, 40))
    logits[0, 1, :, 1:] += 20
    assert value(ClassLoss(), labels, logits) == pytest.approx(plain_class_loss(labels, logits), rel=1e-5)


@pytest.mark.parametrize(("loss", "case"), [(BoxLoss(), box_case), (ClassLoss(), class_case)], ids=["box", "class"])
def test_splitting_a_batch_changes_the_normalization_only(loss, case):
    truth, answer = case(shape=(4, 2, 40))

    def summed(part):
        matched = (truth[part, ..., 4] if truth.shape[-1] == 5 else truth[part] > 0).sum()
        return value(loss, truth[part], answer[part]) * matched

    parts = [slice(0, 1), slice(1, 4)]
    assert sum(map(summed, parts)) == pytest.approx(summed(slice(None)), rel=1e-5)


def test_frames_and_clips_weigh_alike():
    """(clips, frames) and (clips * frames) are the same set of frames."""
    truth, answer = class_case()
    flat = value(ClassLoss(), truth.reshape(6, 40), answer.reshape(6, 40, 5))
    assert flat == pytest.approx(value(ClassLoss(), truth, answer), rel=1e-6)


@pytest.mark.parametrize(("kind", "case"), [(BoxLoss, box_case), (ClassLoss, class_case)], ids=["box", "class"])
def test_late_frames_weigh_more(kind, case):
    """The last three times as much as the first, and all of them 1 on average: .5, 1, 1.5."""
    truth, answer = case(shape=(2, 3, 40))

    def summed(loss, frames):
        matched = (truth[:, frames, ..., 4] if truth.shape[-1] == 5 else truth[:, frames] > 0).sum()
        return value(loss, truth[:, frames], answer[:, frames]) * max(matched, 1)

    by_frame = [summed(kind(), slice(frame, frame + 1)) for frame in range(3)]
    expected = np.dot([0.5, 1, 1.5], by_frame)
    assert summed(kind(late_weight=3.0), slice(None)) == pytest.approx(expected, rel=1e-5)
    # A single frame is late and early.
    assert summed(kind(late_weight=3.0), slice(0, 1)) == pytest.approx(by_frame[0], rel=1e-5)


def test_losses_survive_serialization():
    loss = ClassLoss(negatives_per_positive=2.0, minimum_negatives=5, late_weight=2.0)
    twin = keras.losses.deserialize(keras.losses.serialize(loss))
    assert (twin.negatives_per_positive, twin.minimum_negatives, twin.late_weight) == (2.0, 5, 2.0)
    assert keras.losses.deserialize(keras.losses.serialize(BoxLoss(late_weight=2.0))).late_weight == 2.0


def test_multibox_loss_is_keyed_by_the_outputs():
    losses = multibox_loss(2.0, late_weight=3.0)
    assert set(losses) == {"boxes", "scores"}
    assert losses["scores"].negatives_per_positive == 2.0
    assert losses["boxes"].late_weight == losses["scores"].late_weight == 3.0
