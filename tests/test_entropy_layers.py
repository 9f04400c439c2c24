"""The entropy map as a layer against the host operator."""

import cv2
import keras
import numpy as np
import pytest

import edge
from edge.metadata import EntropySettings
from keras_sge.layers import FeatureEnhancement, InformationEntropyMap

BORDERS = ("reflect_101", "reflect", "constant")


def array(tensor):
    return keras.ops.convert_to_numpy(tensor)


def frame(height=26, width=33, seed=0):
    """BGR with flat parts, edges and noise, so that many of the map's values occur."""
    rng = np.random.default_rng(seed)
    image = cv2.GaussianBlur(rng.integers(0, 256, (height, width, 3), np.uint8), (0, 0), 3)
    image[: height // 3] = rng.integers(0, 256, (height // 3, width, 3), np.uint8)
    cv2.circle(image, (width // 2, height // 2), 6, (200, 30, 90), -1)
    return image


def rgb_batch(bgr):
    return bgr[None, ..., ::-1].astype(np.float32)


def host_map(bgr, window, border):
    return edge.entropy_map(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), window, border)


@pytest.mark.parametrize("window", [3, 5])
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("value_range", [(0, 255), (-1, 1)])
def test_map_equals_the_host_operator(window, border, value_range):
    image = frame()
    layer = InformationEntropyMap(window, border, opening=None, value_range=value_range)
    inputs = rgb_batch(image)
    if value_range == (-1, 1):
        inputs = inputs / np.float32(127.5) - 1
    result = array(layer(inputs))
    assert result.shape == (1, *image.shape[:2], 1) and result.dtype == np.float32
    host = host_map(image, window, border)
    assert len(np.unique(host.round(4))) > 8
    np.testing.assert_allclose(result[0, ..., 0], host, atol=1e-5)


def test_gray_images_need_no_colors():
    gray = cv2.cvtColor(frame(), cv2.COLOR_BGR2GRAY)
    result = array(InformationEntropyMap(opening=None)(gray[None, ..., None].astype(np.float32)))
    np.testing.assert_allclose(result[0, ..., 0], edge.entropy_map(gray), atol=1e-5)


def test_every_image_of_a_batch_is_its_own():
    images = [frame(seed=seed) for seed in range(2)]
    result = array(InformationEntropyMap(opening=None)(np.concatenate([rgb_batch(image) for image in images])))
    for one, image in zip(result, images, strict=True):
        np.testing.assert_allclose(one[..., 0], host_map(image, 3, "reflect_101"), atol=1e-5)


@pytest.mark.parametrize("opening", [3, 5])
def test_opening_is_opencv_s(opening):
    image = frame()
    plain = host_map(image, 3, "reflect_101")
    expected = cv2.morphologyEx(plain, cv2.MORPH_OPEN, np.ones((opening, opening), np.uint8))
    assert np.abs(expected - plain).max() > 0.1
    result = array(InformationEntropyMap(opening=opening)(rgb_batch(image)))
    np.testing.assert_allclose(result[0, ..., 0], expected, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(64, 96), (48, 80)])
@pytest.mark.parametrize("window", [3, 5])
def test_map_and_enhancement_equal_the_host_s_attention(height, width, window):
    image, stride = frame(height, width), 16
    settings = EntropySettings(window=window, stride=stride)
    attention = edge.entropy_attention(image, settings)
    feature = np.random.default_rng(1).normal(0, 1, (1, *attention.shape, 4)).astype(np.float32)
    plane = InformationEntropyMap(window, opening=settings.opening)(rgb_batch(image))
    result = array(FeatureEnhancement()([feature, plane]))
    np.testing.assert_allclose(result, feature * attention[None, ..., None], atol=1e-5)


@pytest.mark.parametrize(("pooling", "pooled"), [("average", 2.5), ("max", 4.0)])
def test_equation_four_by_hand(pooling, pooled):
    plane = np.zeros((1, 2, 4, 1), np.float32)
    plane[0, :, :2, 0] = [[1, 2], [3, 4]]
    feature = np.full((1, 1, 2, 1), 10, np.float32)
    result = array(FeatureEnhancement(pooling)([feature, plane])).ravel()
    np.testing.assert_allclose(result, [10 / (1 + np.exp(-pooled)), 5.0], rtol=1e-6)


def test_layers_survive_saving(tmp_path):
    image = keras.Input((32, 48, 3))
    feature = keras.Input((2, 3, 5))
    plane = InformationEntropyMap(5, "reflect", 5, (-1, 1))(image)
    model = keras.Model([image, feature], FeatureEnhancement("max")([feature, plane]))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    rng = np.random.default_rng(2)
    inputs = [rng.uniform(-1, 1, (1, 32, 48, 3)).astype(np.float32), rng.normal(0, 1, (1, 2, 3, 5)).astype(np.float32)]
    np.testing.assert_allclose(array(loaded(inputs)), array(model(inputs)), atol=1e-6)
    layer = next(layer for layer in loaded.layers if isinstance(layer, InformationEntropyMap))
    assert (layer.window, layer.border, layer.opening, layer.value_range) == (5, "reflect", 5, (-1, 1))


def test_map_is_float32_under_any_policy():
    layer = InformationEntropyMap(dtype="float16")
    assert keras.backend.standardize_dtype(layer(rgb_batch(frame())).dtype) == "float32"


@pytest.mark.parametrize(
    "arguments", [{"window": 4}, {"window": 1}, {"border": "wrap"}, {"opening": 2}, {"opening": 0}]
)
def test_bad_arguments_are_named(arguments):
    with pytest.raises(ValueError, match="Received"):
        InformationEntropyMap(**arguments)


@pytest.mark.parametrize("shape", [(1, 8, 8, 2), (8, 8, 3)])
def test_bad_image_shapes_are_named(shape):
    with pytest.raises(ValueError, match="Received"):
        InformationEntropyMap()(np.zeros(shape, np.float32))


def test_bad_features_are_named():
    plane = np.zeros((1, 32, 32, 1), np.float32)
    with pytest.raises(ValueError, match="Received"):
        FeatureEnhancement("median")
    with pytest.raises(ValueError, match="Received"):
        FeatureEnhancement()([np.zeros((1, 2, 2, 3), np.float32), plane[..., [0, 0]]])
    with pytest.raises(ValueError, match="Received"):
        FeatureEnhancement()([np.zeros((1, 31, 2, 3), np.float32), plane])
