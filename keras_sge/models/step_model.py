"""One time step of SGE-Net with explicit state, for deployment and frame-by-frame evaluation."""

from __future__ import annotations

from typing import Any

import keras

from edge.metadata import EntropySettings, Metadata, StateTensor
from keras_sge.boxes import anchor_maps, attention_map_size, memory_map_size
from keras_sge.config import NetworkConfig
from keras_sge.config.maps import map_stride
from keras_sge.layers import FeatureEnhancement, InformationEntropyMap
from keras_sge.layers.squeezed_gru import squeezed
from keras_sge.models.detector_graph import attended, detector_graph
from keras_sge.models.memory import MEMORY_KINDS, memory_filters, memory_parts, memory_states
from keras_sge.models.topology import topology, weight_name
from keras_sge.models.weights import check_finite

ENTROPY_PLACES = ("host", "graph")
_TRAIN_AGAIN = "Nothing can be made of such a network: train again with a lower training.learning_rate."


def build_step_model(
    config: NetworkConfig,
    library: Any = keras,
    batch_size: int | None = 1,
    entropy: str = "host",
    update: str = "subtract",
) -> Any:
    """The one-step network as a functional model of stock layers.

    Args:
        config: the network's description.
        library: `keras`, or `tf_keras` for the twin that tensorflow-model-optimization accepts.
        batch_size: static batch; None for any.
        entropy: where the entropy map is computed: `host`, then the attention is an input, or `graph` (Keras only).
        update: how the memory's update is written, the same function with the same weights: `subtract` for float files
            and GPUs, `blend` for int8, see `gated_update_parts`.

    Returns:
        A model from `image` (b, height, width, 3), with entropy on the host `attention` (b, rows, columns, 1), with
        memory `state` (b, rows, columns, filters), to `boxes` (b, anchors, 4), `scores` (b, anchors, columns) and
        `next_state`. LSTM kinds have `state_h` and `state_c`, `next_state_h` and `next_state_c`; a memory at several
        maps `state_conv12`, `next_state_conv12` and so on.
    """
    layers = library.layers
    inputs, outputs = {}, {}

    def add_input(name, shape):
        inputs[name] = library.Input(shape, batch_size=batch_size, name=name)
        return inputs[name]

    def attend(x):
        place, gain = config.entropy.attach_to, config.entropy.gain
        if entropy == "graph":
            plane = InformationEntropyMap(
                config.entropy.window, config.entropy.border, config.entropy.opening, (-1, 1), name="entropy"
            )(image)
            return FeatureEnhancement(stride=map_stride(place), gain=gain, name="attended")([x, plane])
        attention = add_input("attention", (*attention_map_size(config), 1))
        return attended(layers, x, attention, gain)

    def remember(x, place):
        parts = memory_parts(layers, config, place, update)
        if not config.recurrent:
            return squeezed(parts, x)
        names, shape = memory_states(config, place), (*memory_map_size(config, place), memory_filters(config, place))
        new = MEMORY_KINDS[config.memory.kind].step(parts, x, *(add_input(name, shape) for name in names))
        new = new if isinstance(new, tuple) else (new,)
        outputs.update({f"next_{name}": state for name, state in zip(names, new, strict=True)})
        return new[0]

    image = add_input("image", (*config.input_size, 3))
    boxes, scores = detector_graph(layers, config, image, attend, remember)
    model = library.Model(inputs, {"boxes": boxes, "scores": scores, **outputs}, name=f"{config.name}_step")
    topology(config).check(model.layers)
    return model


def step_model_from(
    clip_model: keras.Model, batch_size: int | None = 1, entropy: str = "host", update: str = "subtract"
) -> keras.Model:
    """The step model of a trained `SGENet`, with its weights; arguments as for `build_step_model`.

    Raises:
        InputError: a weight is no finite number.
    """
    check_finite({weight_name(weight): weight for weight in clip_model.weights}, clip_model.name, _TRAIN_AGAIN)
    step = build_step_model(clip_model.config, batch_size=batch_size, entropy=entropy, update=update)
    copy_weights(clip_model, step)
    return step


def copy_weights(source: Any, target: Any) -> None:
    """Copies all weights by layer and weight name, between Keras models or to a tf_keras twin.

    Raises:
        ValueError: the two models do not hold the same names and shapes.
    """
    values = {weight_name(weight): weight for weight in source.weights}
    names = {weight_name(weight) for weight in target.weights}
    if names != set(values) or len(values) != len(source.weights):
        raise ValueError(f"the models' weights differ in: {sorted(names ^ set(values))[:8]}")
    for weight in target.weights:
        value = values[weight_name(weight)]
        if tuple(weight.shape) != tuple(value.shape):
            raise ValueError(f"{weight_name(weight)} has shape {tuple(value.shape)}, expected {tuple(weight.shape)}")
        weight.assign(keras.ops.convert_to_numpy(value))


def entropy_settings(config: NetworkConfig) -> EntropySettings | None:
    """The host operator's settings for the attention at its place; None where there is none."""
    if config.entropy is None:
        return None
    entropy = config.entropy
    return EntropySettings(entropy.window, entropy.border, entropy.opening, stride=map_stride(entropy.attach_to))


def state_tensors(config: NetworkConfig) -> tuple[StateTensor, ...]:
    """The float step's recurrent states, none for a single-frame network."""
    if not config.recurrent:
        return ()
    return tuple(
        StateTensor(name, f"next_{name}", (1, *memory_map_size(config, place), memory_filters(config, place)))
        for place in config.memory.places
        for name in memory_states(config, place)
    )


def network_metadata(
    config: NetworkConfig, precision: str = "float32", entropy: str = "host", details: dict[str, Any] | None = None
) -> Metadata:
    """The metadata of a float step of `config`.

    Args:
        config: the network. precision: of the file's weights. entropy: `host` or `graph`, see `build_step_model`.
        details: facts for people, JSON values.
    """
    return Metadata(
        name=config.name,
        labels=config.classes,
        height=config.input_size[0],
        width=config.input_size[1],
        precision=precision,
        anchors=anchor_maps(config),
        variances=config.anchors.variances,
        scores=config.heads.scores,
        box_limits=config.heads.box_limits,
        score_limits=config.heads.score_limits,
        box_voting=config.box_voting,
        entropy=entropy_settings(config) if entropy == "host" else None,
        states=state_tensors(config),
        details=details or {},
    )
