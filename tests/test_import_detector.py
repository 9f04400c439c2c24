"""Detectors of TensorFlow's Object Detection API as runs: tiny files of its form, and its COCO detector itself."""

import dataclasses
import itertools
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny import API, outputs_of, random_clip, randomize, tiny_config

import keras_sge
from edge.boxes import anchor_boxes, iou_matrix
from edge.errors import InputError
from edge.preprocess import resize_frame
from edge.runtimes.litert import load_interpreter
from keras_sge.boxes import anchor_maps
from keras_sge.cli.main import main
from keras_sge.config import AnchorConfig, MemoryConfig, TrainingConfig, load_config
from keras_sge.data import SyntheticSky
from keras_sge.models import SGENet, step_model_from
from keras_sge.models.imported import import_detector
from keras_sge.models.pretrained import folded_norms
from keras_sge.models.ssd_file import SSDFile
from keras_sge.models.topology import topology
from keras_sge.training import RunFolder, fit
from keras_sge.training.start import set_starting_weights
from quantization import CalibrationSource, Exporter
from quantization.convert import _converter

IDS = ("background", "person", "???", "car")
SIZE = 64
# What the API takes at 64 px and three maps, of scales 0.2, 0.575 and 0.95, in whole pixels and hundredths.
SCALES = (0.2 * SIZE, 0.575 * SIZE, 0.95 * SIZE, SIZE)
PEERS = Path(__file__).parents[1].parent / "shared" / "peers"
IMAGES = PEERS.parent / "images"
COCO = PEERS / "coco_ssd_mobilenet_v1_0.75_300_uint8.tflite"
needs_coco = pytest.mark.skipif(not COCO.is_file(), reason="needs ../shared/peers")


def api_boxes():
    first = ((6.4, 6.4), (18.1, 9.05), (9.05, 18.1))
    later = []
    for size, following in itertools.pairwise(SCALES[1:]):
        shapes = [(size * ratio**0.5, size / ratio**0.5) for ratio in (1, 2, 1 / 2, 3, 1 / 3)]
        shapes.append(((size * following) ** 0.5,) * 2)
        later.append(tuple((round(width, 2), round(height, 2)) for width, height in shapes))
    return (first, *later)


class PostProcess(keras.layers.Layer):
    """The API's custom operator behind a sigmoid; what it computes does not matter here."""

    OPTIONS = "".join(
        f'attr {{ key: "{name}" value {{ {kind}: {value} }} }} '
        for name, kind, value in (
            *(("max_detections", "i", 10), ("max_classes_per_detection", "i", 1), ("num_classes", "i", 3)),
            *(("use_regular_nms", "b", "false"), ("nms_score_threshold", "f", 0.1), ("nms_iou_threshold", "f", 0.6)),
            *(("y_scale", "f", 5.0), ("x_scale", "f", 5.0), ("h_scale", "f", 4.0), ("w_scale", "f", 4.0)),
        )
    )

    def __init__(self, anchors):
        super().__init__()
        self.anchors = tf.constant(anchors)

    def call(self, boxes, scores):
        @tf.function(experimental_implements=f'name: "TFLite_Detection_PostProcess" {self.OPTIONS}')
        def operator(codes, scores, anchors):
            return [tf.zeros(shape, name=f"end{number}") for number, shape in enumerate([(1, 9, 4), (1, 9), (1, 9), 1])]

        return dict(zip("abcd", operator(boxes, tf.sigmoid(scores), self.anchors), strict=True))


def write(path, step, samples=None):
    """A float file of a step; with samples one of 8 bits."""
    with _converter(step) as converter:
        converter.allow_custom_ops = True
        if samples is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.representative_dataset = lambda: ({"image": sample[None]} for sample in samples)
            converter.inference_input_type = tf.uint8
        path.write_bytes(converter.convert())
    return path


@pytest.fixture(scope="module")
def network():
    """What a tiny file holds: columns of the scores are the ids."""
    changes = {**API, "anchors": AnchorConfig(boxes=api_boxes())}
    return randomize(SGENet(tiny_config(alpha=0.25, classes=IDS, **changes)))


@pytest.fixture(scope="module")
def frames():
    return random_clip(tiny_config(**API), 6)["image"][0]


@pytest.fixture(scope="module")
def processed(network, tmp_path_factory):
    """A float file with post-processing, whose anchors are larger than the API's."""
    step = step_model_from(network)
    anchors = 1.25 * anchor_boxes(anchor_maps(network.config))[:, [1, 0, 3, 2]]
    anchors[:, :2] /= 1.25
    ends = PostProcess(anchors.astype(np.float32))(step.output["boxes"], step.output["scores"])
    return write(tmp_path_factory.mktemp("processed") / "processed.tflite", keras.Model(step.input, ends))


@pytest.fixture(scope="module")
def rounded(network, frames, tmp_path_factory):
    """A file of 8 bits that answers with codes and logits."""
    return write(tmp_path_factory.mktemp("rounded") / "rounded.tflite", step_model_from(network), frames)


def test_float_file_gives_the_network(network, processed, frames, tmp_path):
    model = import_detector(processed, IDS, run=tmp_path / "run")
    config = model.config
    assert (config.classes, config.input_size, config.alpha) == (("person", "car"), (SIZE, SIZE), 0.25)
    assert (config.anchors.variances, config.heads.scores) == ((0.2, 0.25), "sigmoid")
    assert config.extras == network.config.extras and config.anchors.step == 0
    larger = [[(1.25 * w, 1.25 * h) for w, h in shapes] for shapes in network.config.anchors.boxes]
    np.testing.assert_allclose(np.concatenate(config.anchors.boxes), np.concatenate(larger), atol=0.011)
    given, expected = (outputs_of(one, {"image": frames[None]}) for one in (model, network))
    np.testing.assert_allclose(given["boxes"], expected["boxes"][..., [1, 0, 3, 2]], atol=1e-3)
    np.testing.assert_allclose(given["scores"], expected["scores"][..., [1, 3]], atol=1e-3)
    with pytest.raises(InputError, match="never trained"):
        fit._resumed(RunFolder(tmp_path / "run"), TrainingConfig())
    # As every run.
    assert load_config(tmp_path / "run" / "config.yaml").network == config
    again = outputs_of(keras_sge.load_model(tmp_path / "run"), {"image": frames[None]})
    np.testing.assert_array_equal(again["scores"], given["scores"])


def test_file_of_8_bits_gives_the_network_within_its_steps(network, rounded, frames):
    model = import_detector(rounded, IDS[1:])
    assert model.config.classes == ("person", "car")
    # Without post-processing there are no anchors in the file: they are the API's.
    assert model.config.anchors.boxes == network.config.anchors.boxes
    given, expected = (outputs_of(one, {"image": frames[None]}) for one in (model, network))
    assert np.corrcoef(given["boxes"].ravel(), expected["boxes"][..., [1, 0, 3, 2]].ravel())[0, 1] > 0.995
    assert np.corrcoef(given["scores"].ravel(), expected["scores"][..., [1, 3]].ravel())[0, 1] > 0.995
    # Behind the network, answers end where the file's do.
    low, high = np.array(model.config.heads.score_limits).T
    assert len(low) == 3 and (low < high).all()
    detector = keras_sge.open_detector(model)
    logits = detector.raw(np.full((40, 50, 3), 200, np.uint8))[1]
    assert low.min() - 1e-4 <= logits.min() and logits.max() <= high.max() + 1e-4


def test_other_size_keeps_the_anchors_pixels(processed):
    model = import_detector(processed, IDS, input_size=(96, 160))
    own = import_detector(processed, IDS)
    assert model.config.anchors == own.config.anchors
    for one, other in zip(anchor_maps(model.config), anchor_maps(own.config), strict=True):
        np.testing.assert_allclose(np.array(one.boxes) * (160, 96), np.array(other.boxes) * SIZE)
    assert [(grid.rows, grid.columns) for grid in anchor_maps(model.config)] == [(6, 10), (3, 5), (2, 3)]
    anchors = 6 * 10 * 3 + 3 * 5 * 6 + 2 * 3 * 6
    assert outputs_of(model, random_clip(model.config, 1))["boxes"].shape == (1, 1, anchors, 4)


@pytest.mark.parametrize(
    ("labels", "size", "words"),
    [
        (IDS[:2], None, ["scores 3 ids", "2 labels"]),
        (IDS, (64, 100), ["multiples of 32", "100"]),
        (("a", "a", "b"), None, ["distinct"]),
        (None, None, ["carries no list of labels"]),
        ("none.txt", None, ["no labels at none.txt"]),
    ],
)
def test_labels_and_sizes_that_do_not_fit_are_named(processed, labels, size, words):
    with pytest.raises(InputError) as caught:
        import_detector(processed, labels, input_size=size)
    assert all(word in str(caught.value) for word in words), caught.value


def test_other_files_are_refused_with_the_reason(tmp_path, capsys):
    text = tmp_path / "text.tflite"
    text.write_text("no model, and longer than the identifier")
    shipped = Path(__file__).parents[1] / "models" / "mnet_ssd_skyzoom_192x0.5_int8.tflite"
    for file, words in ((text, "TFL3"), (tmp_path / "none.tflite", "no file"), (shipped, "holds no MobileNetV1")):
        assert main(["import", str(file), "--labels", str(text), "--out", str(tmp_path / "run")]) == 2
        error = capsys.readouterr().err
        assert words in error and error.count("\n") == 1, error
    assert not (tmp_path / "run").exists()


def test_command_writes_a_run_and_nothing_over_it(processed, tmp_path, capsys):
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(IDS) + "\n")
    command = ["import", str(processed), "--labels", str(labels), "--out", str(tmp_path / "run"), "--size", "96x64"]
    assert main(command) == 0
    assert load_config(tmp_path / "run" / "config.yaml").network.input_size == (64, 96)
    assert "96 wide, 64 high" in capsys.readouterr().out
    assert main(command) == 2 and "holds a run already" in capsys.readouterr().err
    assert main([*command[:-1], "96"]) == 2 and "WIDTHxHEIGHT" in capsys.readouterr().err


def test_memory_joins_and_changes_nothing_at_first(processed, tmp_path):
    model = import_detector(processed, IDS, run=tmp_path / "run")
    memory = MemoryConfig("correction_gru", 64, attach_to=("conv12", "conv14"))
    config = dataclasses.replace(model.config, memory=memory)
    joined = SGENet(config, clip_length=2, freeze_detector=True)
    videos = SyntheticSky(videos=2, frames=2, size=SIZE)
    set_starting_weights(joined, TrainingConfig(start_from=str(tmp_path / "run"), freeze_detector=True), videos)
    clip = random_clip(config, 2)
    given, expected = outputs_of(joined, clip), outputs_of(model, clip)
    for name in ("boxes", "scores"):
        atol = 1e-3 * np.abs(expected[name]).max()
        np.testing.assert_allclose(given[name][:, 0], expected[name][:, 0], atol=atol)


def test_training_goes_on_from_measured_batch_norms(processed, tmp_path):
    model = import_detector(processed, IDS, run=tmp_path / "run")
    assert len(folded_norms(model)) == len({row.norm for row in topology(model.config) if row.norm})
    videos = SyntheticSky(videos=8, frames=2, size=SIZE)
    # The one class that both know is known from the start, the others are rare at first.
    config = dataclasses.replace(model.config, classes=(*videos.classes[:2], "car"))
    own = SGENet(config, clip_length=1, freeze_until="conv4")
    set_starting_weights(own, TrainingConfig(start_from=str(tmp_path / "run"), freeze_until="conv4"), videos)
    assert folded_norms(own) == []
    biases = keras.ops.convert_to_numpy(own.get_layer("scores2_pointwise").bias).reshape(6, 3)
    theirs = keras.ops.convert_to_numpy(model.get_layer("scores2_pointwise").bias).reshape(6, 2)
    np.testing.assert_array_equal(biases[:, 2], theirs[:, 1])
    np.testing.assert_allclose(biases[:, :2], -4.6)
    frames = np.stack([resize_frame(videos.read(index, 0, 1)[0], SIZE, SIZE) for index in range(8)])
    clip = {"image": (frames[:, None, ..., ::-1] / np.float32(127.5) - 1).astype(np.float32)}
    expected = outputs_of(model, clip)["boxes"]
    given = outputs_of(own, clip)["boxes"]
    np.testing.assert_allclose(given, expected, atol=2e-3 * np.abs(expected).max())
    trained = keras.ops.convert_to_numpy(own(clip, training=True)["boxes"])
    assert np.corrcoef(trained.ravel(), expected.ravel())[0, 1] > 0.95


@pytest.mark.parametrize("recipe", ["float16", "int8"])
def test_exports_agree_with_keras(rounded, tmp_path, recipe):
    model = import_detector(rounded, IDS)
    exporter = Exporter(model, recipe)
    videos = SyntheticSky(videos=4, frames=3, size=SIZE)
    if recipe == "int8":
        exporter.calibrate(CalibrationSource(videos, "tiny", 4))
        # Whatever the clips show, the file's own ends can be answered.
        low, high = np.array(model.config.heads.score_limits).T
        assert exporter.calibration.ranges["scores"] == (low.min(), high.max())
    exporter.write(tmp_path / "exported.tflite")
    frame = videos.read(1, 0, 1)[0]
    with keras_sge.open_detector(tmp_path / "exported.tflite") as exported, keras_sge.open_detector(model) as ours:
        for name in ("scores", "box_limits", "score_limits", "anchors", "labels"):
            assert getattr(exported.metadata, name) == getattr(ours.metadata, name), name
        for given, expected in zip(exported.raw(frame), ours.raw(frame), strict=True):
            assert given.shape == expected.shape
            assert np.corrcoef(given.ravel(), expected.ravel())[0, 1] > (0.98 if recipe == "int8" else 0.9999)


@pytest.fixture(scope="module")
def coco():
    return SSDFile(COCO), import_detector(COCO, PEERS / "coco_labels.txt")


@needs_coco
def test_every_layer_of_the_coco_detector_correlates(coco):
    file, model = coco
    step, table = step_model_from(model), topology(model.config)
    rows = [row.name for row in table if row.part in ("trunk", "extras")]
    convolutions = [*file.trunk, *(conv for pair in file.extras for conv in pair)]
    probe = keras.Model(step.input, [step.get_layer(f"{name}_relu").output for name in rows])
    interpreter = tf.lite.Interpreter(str(COCO), experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    worst = dict.fromkeys(rows, 1.0)
    for path in sorted(IMAGES.iterdir()):
        image = cv2.cvtColor(resize_frame(cv2.imread(str(path)), 300, 300), cv2.COLOR_BGR2RGB)
        interpreter.set_tensor(file.image, image[None])
        interpreter.invoke()
        ours = probe({"image": (image[None] / np.float32(127.5) - 1).astype(np.float32)})
        for name, conv, value in zip(rows, convolutions, ours, strict=True):
            raw = interpreter.get_tensor(conv.makes).astype(np.float32).ravel()
            worst[name] = min(worst[name], np.corrcoef(raw, np.array(value).ravel())[0, 1])
    assert min(worst.values()) >= 0.995, worst


@needs_coco
def test_detections_of_the_coco_detector_are_its_own(coco):
    file, model = coco
    labels = (PEERS / "coco_labels.txt").read_text().splitlines()
    interpreter = load_interpreter(COCO.read_bytes())
    detector = keras_sge.open_detector(model, score_threshold=0.2)
    compared = 0
    for path in sorted(IMAGES.iterdir()):
        frame = cv2.imread(str(path))
        small = cv2.cvtColor(resize_frame(frame, 300, 300), cv2.COLOR_BGR2RGB)
        interpreter.set_tensor(file.image, small[None])
        interpreter.invoke()
        boxes, classes, scores, _ = (interpreter.get_tensor(end)[0] for end in file.graph.outputs)
        detector.reset()
        found = detector(frame).detections
        sides = np.tile(frame.shape[1::-1], 2)
        for box, number, score in zip(boxes[:, [1, 0, 3, 2]].clip(0, 1) * sides, classes, scores, strict=True):
            # Its suppression is looser, and it keeps ten.
            if score < 0.45:
                continue
            alike = [one for one in found if one.label == labels[int(number) + 1]]
            overlaps = iou_matrix(box[None], np.array([one.box for one in alike]))[0]
            assert overlaps.max() >= 0.9, (path.name, labels[int(number) + 1], score, overlaps)
            assert abs(alike[int(overlaps.argmax())].score - score) <= 0.03
            compared += 1
    assert compared >= 10
