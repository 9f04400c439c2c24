"""A one-step graph over whole clips: what does not depend on the state runs on all frames at once."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf
import tf_keras

# tfmot's wrappers put this before a layer's name.
PREFIX = "quant_"


class ClipGraph:
    """Runs a functional one-step model over clips, its state carried from frame to frame.

    The trunk and the heads see (clips x frames) pictures in one batch, which trains several times faster than a step
    at a time; only the memory's own layers are repeated.

    Args:
        model: a folded twin, or its quantized form. backprop_window: frames that a gradient goes back in time; None for
            the whole clip.
    """

    def __init__(self, model: tf_keras.Model, backprop_window: int | None = None):
        self._window = backprop_window
        self._nodes = []
        for layer in model.layers:
            if not isinstance(layer, tf_keras.layers.InputLayer):
                sources = tf.nest.flatten(layer.inbound_nodes[0].inbound_layers)
                self._nodes.append((_name(layer), layer, [_name(source) for source in sources]))
        self.state_shape = tuple(model.input["state"].shape[1:]) if "state" in _inputs(model) else None
        self._before, self._memory, self._after = self._parts()

    def _parts(self):
        """The graph's layers before the memory, in its loop, and behind it."""
        with_state, needed = {"state"}, {"memory_next_state"}
        for name, _, sources in self._nodes:
            if with_state.intersection(sources):
                with_state.add(name)
        for name, _, sources in reversed(self._nodes):
            if name in needed:
                needed.update(sources)
        before = [node for node in self._nodes if node[0] not in with_state]
        memory = [node for node in self._nodes if node[0] in with_state and node[0] in needed]
        after = [node for node in self._nodes if node[0] in with_state and node[0] not in needed]
        return before, memory, after

    def step(self, inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One frame: the model's inputs by name to `boxes`, `scores` and, with memory, `next_state`."""
        values = _run(self._nodes, dict(inputs))
        outputs = {"boxes": values["boxes"], "scores": values["scores"]}
        return outputs | ({"next_state": values["memory_next_state"]} if self.state_shape else {})

    def values(self, clip: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The outputs of all layers, by layer name, as (clips, frames, ...).

        Args:
            clip: `image` (clips, frames, height, width, 3) and, where the model takes it, `attention`; float32. Each
                clip starts from a zero state.
        """
        clips, frames = tf.shape(clip["image"])[0], clip["image"].shape[1]
        values = _run(self._before, {name: _folded(value) for name, value in clip.items()})
        if self._memory:
            entering = {source for _, _, sources in self._memory for source in sources} & values.keys()
            by_frame = {name: tf.unstack(_unfolded(values[name], frames), axis=1) for name in entering}
            state, steps = tf.zeros((clips, *(self.state_shape or ()))), []
            for frame in range(frames):
                if self._window and frame % self._window == 0:
                    state = tf.stop_gradient(state)
                known = {"state": state, **{name: by_frame[name][frame] for name in entering}}
                steps.append(_run(self._memory, known))
                state = steps[-1]["memory_next_state"]
            for name, _, _ in self._memory:
                values[name] = _folded(tf.stack([step[name] for step in steps], axis=1))
        values = _run(self._after, values)
        return {name: _unfolded(value, frames) for name, value in values.items()}


def _run(nodes, values):
    for name, layer, sources in nodes:
        arguments = [values[source] for source in sources]
        values[name] = layer(arguments if len(arguments) > 1 else arguments[0])
    return values


def _folded(value):
    return tf.reshape(value, (-1, *value.shape[2:]))


def _unfolded(value, frames):
    return tf.reshape(value, (-1, frames, *value.shape[1:]))


def _name(layer):
    return layer.name.removeprefix(PREFIX)


def _inputs(model):
    return [layer.name for layer in model.layers if isinstance(layer, tf_keras.layers.InputLayer)]
