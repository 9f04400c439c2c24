"""The weights that a training starts from: what is taken over from where, and what is made to fit."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import keras
import numpy as np

from edge.entropy import entropy_attention
from edge.errors import InputError
from edge.model_zoo import models_folder
from edge.preprocess import resize_frame
from keras_sge.config import NetworkConfig, TrainingConfig, builtin_configs
from keras_sge.data.dataset import VideoDataset
from keras_sge.data.loader import normalize
from keras_sge.models import SGENet, copy_weights
from keras_sge.models.checkpoints import read_weights
from keras_sge.models.memory import LSTM_ANSWER, correction_weights, memory_filters, pass_through_weights
from keras_sge.models.pretrained import folded_norms, measure_batch_norm
from keras_sge.models.step_model import entropy_settings
from keras_sge.models.topology import (
    MEMORY_PREFIX,
    MEMORY_SQUEEZE,
    REDUCTION,
    block_name,
    layer_of,
    memory_prefix,
    topology,
    weight_name,
)
from keras_sge.models.weights import assign_weights, stored_network

_logger = logging.getLogger(__name__)
# Of each of up to 64 videos, for a correction GRU's first weights; and how many frames are run at a time.
_FRAMES_OF_A_VIDEO, _BATCH = 4, 16


def set_starting_weights(model: SGENet, training: TrainingConfig, videos: VideoDataset) -> None:
    """Takes over the weights of `training.start_from` that fit; what is new starts where the old network stands.

    A new memory lets its input pass through (`pass_through_weights`), reduced as the old network reduces it; with more
    channels than that, the layers behind it ignore the others at first. Attached elsewhere than to conv13 it adds
    nothing at first, and the reduction stays. A new correction GRU squeezes its map to the principal components of
    sample frames. A new attention, which shrinks its map, is made up for in what reads the
    map.

    Args:
        model: freshly made. training: `start_from` and `start_layers` count. videos: to measure a folded trunk's
            statistics and the attention's mean on.

    Raises:
        InputError: `start_from` cannot be read, nothing in it fits, or a layer that is not trained is not in it.
    """
    config = model.config
    start, weights, loaded = _take_over(model, training, videos) if training.start_from else (None, {}, set())
    _check_frozen(model, loaded)
    attention = _new_attention(model, start, videos)
    is_new = config.recurrent and not loaded.intersection(_state_weights(model))
    if is_new and config.memory.kind != "correction_gru":
        reduction = _reduction(model, weights, attention)
        assign_weights(model, pass_through_weights(model, reduction))
        if config.memory.kind == "lstm" and reduction is not None:
            _multiply(model, topology(config).readers("memory"), loaded, LSTM_ANSWER)
    if attention is not None:
        _multiply(model, topology(config).readers(config.entropy.attach_to), loaded, 1 / attention)
    if is_new and config.memory.kind == "correction_gru":
        _start_from_components(model, videos)


def widened_weights(model: keras.Model, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Weights of the layers behind a memory that the start holds for fewer channels, made to fit; none where all fit.

    The first channels are the old ones. What lies beyond starts as the model has it, but for the 1x1 kernels, which at
    first take nothing from the channels that are new: the layers' answers are the old ones.

    Args:
        model: freshly made, on alpha and classes of `weights`. weights: by `layer/weight`.
    """
    table, result = topology(model.config), {}
    widened = table.widened_by("memory")
    for weight in model.weights:
        name, wanted = weight_name(weight), tuple(weight.shape)
        old = weights.get(name)
        if old is None or old.shape == wanted or layer_of(name) not in widened:
            continue
        if old.ndim == len(wanted) and all(had <= has for had, has in zip(old.shape, wanted, strict=True)):
            new = keras.ops.convert_to_numpy(weight).copy()
            if new.ndim == 4 and table[layer_of(name)].kind == "conv":
                new[:] = 0
            new[tuple(slice(size) for size in old.shape)] = old
            result[name] = new
    return result


def trained_weights(alpha: float) -> str:
    """Where trained weights for a trunk of this width come from, in words."""
    shipped = []
    for folder in (builtin_configs()["quickstart"].parent, models_folder() / "checkpoints"):
        names = [file.name for file in sorted(folder.glob("*.npz")) if stored_network(file).alpha == alpha]
        shipped += [f"in {folder} {', '.join(names)}"] if names else []
    return (
        f"a run or .npz with network.alpha={alpha:g} ({'; '.join(shipped) or 'none is shipped'}), or a public ImageNet "
        "classifier of this alpha (0.25, 0.5, 0.75 and 1 exist): TensorFlow's mobilenet_v1_ALPHA_SIZE_quant.tflite or "
        "the .weights.h5 of keras.applications.MobileNet, see docs/training.md"
    )


def _take_over(
    model: SGENet, training: TrainingConfig, videos: VideoDataset
) -> tuple[NetworkConfig | None, dict[str, np.ndarray], set[str]]:
    path = training.start_from
    start, weights = read_weights(path)
    if start and start.classes != model.config.classes:
        scores = topology(model.config).of_group("scores")
        known = _scores_by_name(model, start, weights)
        weights = known or {name: value for name, value in weights.items() if layer_of(name) not in scores}
        if not known:
            _logger.info(
                "class scores start anew: this network's classes are not those of %s, or in another order", path
            )
    weights = {name: value for name, value in weights.items() if name.startswith(training.start_layers)}
    before = start and start.memory
    if model.config.reduction is not None and before and before.replaces_conv13:
        # The memory's own reduction, elsewhere, is another.
        weights = {name.replace(MEMORY_SQUEEZE, REDUCTION): value for name, value in weights.items()}
    kinds = {memory.kind for memory in (before, model.config.memory) if memory}
    if "correction_gru" in kinds and len(kinds) == 2:
        # Names and shapes may be those of the other memory, the meaning is not.
        weights = {name: value for name, value in weights.items() if not name.startswith(MEMORY_PREFIX)}
    loaded = set(assign_weights(model, weights)[0])
    _logger.info("start from %s: %d of %d weights taken over", path, len(loaded), len(model.weights))
    if not loaded:
        raise InputError(
            f"{path} has no weight that fits this network, whose network.alpha is {model.config.alpha:g}. Give "
            f"{trained_weights(model.config.alpha)}."
        )
    if model.config.recurrent and f"{block_name(13)}/kernel" in loaded:
        loaded |= set(assign_weights(model, widened_weights(model, weights))[0])
    if not model.freeze_detector and folded_norms(model):
        measure_batch_norm(model, _single_frames(model, videos))
    return start, weights, loaded


def _scores_by_name(
    model: SGENet, start: NetworkConfig, weights: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray] | None:
    """The weights with those of the scores for this network's classes, where both have a sigmoid for each class and
    some classes in common; None else. What the old network does not know starts as it is."""
    config = model.config
    columns = {new: start.classes.index(name) for new, name in enumerate(config.classes) if name in start.classes}
    if not columns or {start.heads.scores, config.heads.scores} != {"sigmoid"}:
        return None
    result = dict(weights)
    for weight in model.weights:
        name = weight_name(weight)
        if name not in weights or layer_of(name) not in {row.name for row in topology(config).heads("scores")}:
            continue
        old = weights[name].reshape(*weights[name].shape[:-1], -1, len(start.classes))
        value = keras.ops.convert_to_numpy(weight)
        new = value.reshape(*value.shape[:-1], -1, len(config.classes)).copy()
        if old.shape[:-1] == new.shape[:-1]:
            new[..., list(columns)] = old[..., list(columns.values())]
            result[name] = new.reshape(value.shape)
    names = [config.classes[new] for new in columns]
    _logger.info("class scores of %s are taken over by name", ", ".join(names))
    return result


def _check_frozen(model: SGENet, loaded: set[str]) -> None:
    """InputError where a layer that will not be trained has weights that nobody else has trained."""
    frozen = [weight_name(weight) for layer in model.layers if not layer.trainable for weight in layer.weights]
    random = [name for name in frozen if name not in loaded]
    if random:
        settings = ("freeze_until", "freeze_batch_norm", "freeze_detector")
        keys = [f"training.{name}" for name in settings if getattr(model, name)]
        raise InputError(
            f"{len(random)} of the {len(frozen)} weights that {' and '.join(keys)} keep as they are were taken over "
            f"from nowhere and would stay random, {random[0]} the first. Start from trained ones with --from FILE: "
            f"{trained_weights(model.config.alpha)}. Or train all layers: --set training.freeze_until=null"
            f"{' --set training.freeze_batch_norm=false' * model.freeze_batch_norm}"
            f"{' --set training.freeze_detector=false' * model.freeze_detector}"
        )


def _reduction(
    model: SGENet, weights: dict[str, np.ndarray], attention: float | None
) -> tuple[np.ndarray, np.ndarray] | None:
    """The old network's 1x1 on conv13 for a memory there that has none of its own."""
    config = model.config
    if not config.memory.replaces_conv13 or f"{MEMORY_SQUEEZE}/kernel" not in weights:
        return None
    kernel = weights[f"{MEMORY_SQUEEZE}/kernel"][0, 0]
    if kernel.shape[0] != next(w.shape[-1] for w in model.weights if weight_name(w) == f"{block_name(13)}/kernel"):
        return None
    here = attention if config.entropy and config.entropy.attach_to == "conv13" else None
    return kernel / (here or 1), weights[f"{MEMORY_SQUEEZE}/bias"]


def _new_attention(model: SGENet, start: NetworkConfig | None, videos: VideoDataset) -> float | None:
    """The mean of an attention that the old network does not have, as the network sees it; None where there is none."""
    entropy = model.config.entropy
    if entropy is None or start is None or (start.entropy is not None and start.entropy.attach_to == entropy.attach_to):
        return None
    settings = entropy_settings(model.config)
    frames = _sample_frames(model, videos)
    return entropy.gain * float(np.mean([entropy_attention(frame, settings) for frame in frames]))


def _multiply(model: SGENet, layers: set[str], loaded: set[str], factor: float) -> None:
    """Multiplies those kernels of the layers that were taken over."""
    for weight in model.weights:
        if weight_name(weight) in loaded and weight_name(weight).removesuffix("/kernel") in layers:
            weight.assign(weight * factor)


def _state_weights(model: SGENet) -> set[str]:
    """Names of the weights that the memory has beside a reduction."""
    memory = topology(model.config).of_part("memory") - {MEMORY_SQUEEZE}
    return {weight_name(weight) for weight in model.weights if layer_of(weight_name(weight)) in memory}


def _start_from_components(model: SGENet, videos: VideoDataset) -> None:
    """Sets a correction GRU's first weights, see `correction_weights`; it must not correct anything yet."""
    config = model.config
    single = SGENet(config, clip_length=1, precision="float32")
    copy_weights(model, single)
    squeezes = {place: single.get_layer(f"{memory_prefix(config, place)}squeeze") for place in config.memory.places}
    probe = keras.Model(single.inputs, {place: squeeze.input for place, squeeze in squeezes.items()})
    inputs = _single_frames(model, videos, _FRAMES_OF_A_VIDEO)
    moments: dict[str, list[np.ndarray]] = {place: [] for place in squeezes}
    for start in range(0, len(inputs["image"]), _BATCH):
        for place, features in probe({name: value[start : start + _BATCH] for name, value in inputs.items()}).items():
            # With a column of ones the products hold the sums and the count as well.
            flat = keras.ops.convert_to_numpy(features).reshape(-1, features.shape[-1]).astype(np.float64)
            flat = np.pad(flat, ((0, 0), (0, 1)), constant_values=1)
            moments[place].append(flat.T @ flat)
    for place, parts in moments.items():
        products = np.sum(parts, axis=0)
        products /= products[-1, -1]
        mean = products[-1, :-1]
        weights, share = correction_weights(model, place, mean, products[:-1, :-1] - np.outer(mean, mean))
        assign_weights(model, weights)
        _logger.info(
            "memory at %s: %d components of %d keep %.3f of the features' variance",
            *(place, memory_filters(config, place), len(mean), share),
        )


def _single_frames(model: SGENet, videos: VideoDataset, count: int = 1) -> dict[str, np.ndarray]:
    """Sample frames as clips of one frame each, the attention with them where the network takes it."""
    frames, settings = _sample_frames(model, videos, count), entropy_settings(model.config)
    inputs = {"image": normalize(frames)[:, None]}
    if settings:
        inputs["attention"] = np.stack([entropy_attention(frame, settings) for frame in frames])[:, None, ..., None]
    return inputs


def _sample_frames(model: SGENet, videos: VideoDataset, count: int = 1) -> np.ndarray:
    """The first frame, or as many as `count` at even distances, of each of up to 64 videos, uint8 (n, height, width, 3)
    at the network's size."""
    frames = []
    for index in np.linspace(0, len(videos) - 1, min(64, len(videos))).astype(int).tolist():
        for position in np.arange(count) * videos.videos[index].length // count:
            frame = videos.read(index, int(position), int(position) + 1)[0]
            frames.append(resize_frame(frame, *model.config.input_size))
    return np.stack(frames)
