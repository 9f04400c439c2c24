"""Trunks from public classifiers: the network that they make answers as the file that they came from does."""

from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from tiny import randomize

from edge.errors import InputError
from edge.preprocess import resize_frame
from edge.runtimes.litert import load_interpreter
from keras_sge.models.checkpoints import read_weights
from keras_sge.models.mobilenet_v1 import conv_bn_relu6, depthwise_bn_relu6, mobilenet_v1, scaled
from keras_sge.models.pretrained import read_mobilenet_h5
from keras_sge.models.weights import assign_weights

SHARED = Path(__file__).parents[2] / "shared"
needs_shared = pytest.mark.skipif(not (SHARED / "weights").is_dir(), reason="the folder ../shared is not there")
# What each picture shows, as far as ImageNet's classes have a name for it.
PICTURES = {
    "bird.bmp": {"chickadee"},
    "cat.bmp": {"Egyptian cat", "tabby", "tiger cat"},
    "grace_hopper.bmp": {"military uniform", "academic gown", "suit"},
    "kite_and_cold.jpg": {"seashore", "sandbar", "parachute"},
    "parrot.jpg": {"macaw", "lorikeet"},
}


def classifier(alpha, size, classes):
    """MobileNetV1 whole, on the package's trunk: image in -1 .. 1 -> embedding and logits."""
    image = keras.Input((size, size, 3))
    *_, x = mobilenet_v1(keras.layers, image, alpha)
    x = depthwise_bn_relu6(keras.layers, x, 1, "conv14_depthwise")
    x = conv_bn_relu6(keras.layers, x, scaled(1024, alpha), 1, 1, "conv14_pointwise")
    embedding = keras.layers.GlobalAveragePooling2D(keepdims=True)(x)
    logits = keras.layers.Conv2D(classes, 1, name="logits")(embedding)
    return keras.Model(image, [keras.layers.Flatten()(embedding), keras.layers.Flatten()(logits)])


def imported(path, alpha, size, classes):
    model = classifier(alpha, size, classes)
    left = assign_weights(model, read_weights(path)[1])[1]
    assert not [name for name in left if not name.startswith("logits")]
    return model, left


@pytest.mark.parametrize("name", ["named.h5", "numbered.weights.h5"])
def test_keras_applications_weights_give_the_same_answers(name, tmp_path):
    source = randomize(
        keras.applications.MobileNet(
            alpha=0.25, weights=None, input_shape=(64, 64, 3), classes=7, classifier_activation=None
        )
    )
    path = tmp_path / name
    source.save_weights(path) if "weights" in name else source.save(path)
    model, left = imported(path, 0.25, 64, 7)
    assert not left
    image = np.random.default_rng(0).uniform(-1, 1, (2, 64, 64, 3)).astype(np.float32)
    np.testing.assert_allclose(model.predict(image, verbose=0)[1], source.predict(image, verbose=0), rtol=1e-3)


@pytest.mark.parametrize("content", [b"", b"no hdf5 at all" * 100], ids=["empty", "text"])
def test_what_is_no_hdf5_is_refused(content, tmp_path):
    path = tmp_path / "trunk.h5"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"trunk\.h5 is not an HDF5 file"):
        read_weights(path)


def test_weights_of_another_network_are_refused(tmp_path):
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save_weights(tmp_path / "dense.weights.h5")
    with pytest.raises(InputError, match="holds no MobileNetV1"):
        read_mobilenet_h5(tmp_path / "dense.weights.h5")


def picture(name, size):
    return resize_frame(cv2.imread(str(SHARED / "images" / name)), size, size)[None, ..., ::-1]


def imagenet_labels():
    lines = (SHARED / "weights" / "imagenet_labels.txt").read_text().splitlines()
    return [line.split(",")[0] for line in lines]


def assert_right_classes(logits, labels):
    for file, row in zip(PICTURES, logits, strict=True):
        best = {labels[index] for index in np.argsort(-row)[:5]}
        assert best & PICTURES[file], (file, best)


def embeddings(path, pictures):
    """The quantized file's own embeddings, in real numbers."""
    interpreter = load_interpreter(path.read_bytes())
    pool = next(d for d in interpreter.get_tensor_details() if d["name"].endswith("AvgPool_1a/AvgPool"))
    scale, zero_point = pool["quantization"]
    found = []
    for image in pictures:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
        interpreter.invoke()
        found.append((interpreter.get_tensor(pool["index"]).ravel().astype(np.float32) - zero_point) * scale)
    return np.stack(found)


def head_weights(path):
    """The classifier of a file that holds nothing else."""
    interpreter, found = load_interpreter(path.read_bytes()), {}
    for detail in interpreter.get_tensor_details():
        scale, zero_point = detail["quantization"]
        if scale and (len(detail["shape"]) == 1 or "weights_quant" in detail["name"]):
            value = (interpreter.get_tensor(detail["index"]).astype(np.float32) - zero_point) * scale
            found |= {"logits/bias": value} if value.ndim == 1 else {"logits/kernel": value.transpose(1, 2, 3, 0)}
    return found


@needs_shared
@pytest.mark.parametrize(
    ("name", "alpha", "size"),
    [
        ("mobilenet_v1_1.0_224_quant_features", 1.0, 224),
        ("mobilenet_v1_0.75_192_quant", 0.75, 192),
        ("mobilenet_v1_0.5_160_quant", 0.5, 160),
        ("mobilenet_v1_0.25_128_quant", 0.25, 128),
    ],
)
def test_quantized_files_give_the_same_embeddings_and_the_right_classes(name, alpha, size):
    path = SHARED / "weights" / f"{name}.tflite"
    model, left = imported(path, alpha, size, 1001)
    if left:
        # The largest classifier is stored in two files.
        assert assign_weights(model, head_weights(Path(str(path).replace("features", "head"))))[0]
    pictures = [picture(file, size) for file in PICTURES]
    ours, logits = model.predict((np.concatenate(pictures) - np.float32(128)) / 128, verbose=0)
    theirs = embeddings(path, pictures)
    # The file rounds every activation to 1/42; that, not the weights, is what is left between the two.
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] >= 0.998
    assert min(np.corrcoef(*pair)[0, 1] for pair in zip(ours, theirs, strict=True)) >= 0.997
    assert_right_classes(logits, labels=imagenet_labels())


@needs_shared
def test_the_keras_applications_file_sees_the_right_classes():
    model, left = imported(SHARED / "weights" / "mobilenet_v1_0.75_224_keras_imagenet.weights.h5", 0.75, 224, 1000)
    assert not left
    images = np.concatenate([picture(file, 224) for file in PICTURES]) / np.float32(127.5) - 1
    # Without the background, which only TensorFlow's own classifiers have.
    assert_right_classes(model.predict(images, verbose=0)[1], imagenet_labels()[1:])
