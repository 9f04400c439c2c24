"""A one-step graph over whole clips: what does not depend on the state runs on all frames at once."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf
import tf_keras

from keras_sge.models.topology import state_layer

# tfmot's wrappers put this before a layer's name.
PREFIX = "quant_"


class ClipGraph:
    """Runs a functional one-step model over clips, its states carried from frame to frame.

    The trunk and the heads see (clips x frames) pictures in one batch, which trains several times faster than a step
    at a time; only the memory's own layers are repeated.

    Args:
        model: a folded twin, or its quantized form.
        backprop_window: frames that a gradient goes back in time; None for the whole clip.

    Attributes:
        state_shapes: (rows, columns, channels) of the memory's states by the names of their inputs; empty for a network
            without memory.
    """

    def __init__(self, model: tf_keras.Model, backprop_window: int | None = None):
        self._window = backprop_window
        self._nodes, inputs = [], []
        for layer in model.layers:
            if isinstance(layer, tf_keras.layers.InputLayer):
                inputs.append(layer.name)
            else:
                sources = tf.nest.flatten(layer.inbound_nodes[0].inbound_layers)
                self._nodes.append((_name(layer), layer, [_name(source) for source in sources]))
        self.state_shapes = {
            name: tuple(model.input[name].shape[1:]) for name in inputs if name not in ("image", "attention")
        }
        # (state, the nodes before its loop, those in it); the memory that the most depends on comes first.
        self._loops, self._after = [], self._nodes
        states = sorted(self.state_shapes, key=lambda name: -len(self._behind({name})))
        for number, state in enumerate(states):
            self._loops.append((state, *self._parts(state, states[number:])))

    def _parts(self, state, waiting):
        """Of the nodes that are left: those that no waiting state has to be known for, and those in this one's loop."""
        needed = {state_layer(state)}
        for name, _, sources in reversed(self._nodes):
            if name in needed:
                needed.update(sources)
        unknown, looped = self._behind(waiting), self._behind({state}) & needed
        before = [node for node in self._after if node[0] not in unknown]
        loop = [node for node in self._after if node[0] in looped]
        self._after = [node for node in self._after if node[0] in unknown - looped]
        return before, loop

    def _behind(self, states):
        """Names of all that depends on one of the states, themselves among them."""
        found = set(states)
        for name, _, sources in self._nodes:
            if found.intersection(sources):
                found.add(name)
        return found

    def step(self, inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One frame: the model's inputs by name to `boxes`, `scores` and, with memory, `next_state` and the like."""
        values = _run(self._nodes, dict(inputs))
        outputs = {"boxes": values["boxes"], "scores": values["scores"]}
        return outputs | {f"next_{state}": values[state_layer(state)] for state in self.state_shapes}

    def values(self, clip: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The outputs of all layers, by layer name, as (clips, frames, ...).

        Args:
            clip: `image` (clips, frames, height, width, 3) and, where the model takes it, `attention`; float32. Each
                clip starts from zero states.
        """
        frames = clip["image"].shape[1]
        values = {name: _folded(value) for name, value in clip.items()}
        for state, before, loop in self._loops:
            _run(before, values)
            self._roll(state, loop, values, frames)
        _run(self._after, values)
        return {name: _unfolded(value, frames) for name, value in values.items()}

    def _roll(self, name, loop, values, frames):
        """Adds what the nodes of a loop answer, frame by frame, to the values by name, (clips x frames, ...)."""
        entering = {source for _, _, sources in loop for source in sources} & values.keys()
        by_frame = {source: tf.unstack(_unfolded(values[source], frames), axis=1) for source in entering}
        clips = tf.shape(values["image"])[0] // frames
        state, steps = tf.zeros((clips, *self.state_shapes[name])), []
        for frame in range(frames):
            if self._window and frame % self._window == 0:
                state = tf.stop_gradient(state)
            steps.append(_run(loop, {name: state, **{source: by_frame[source][frame] for source in entering}}))
            state = steps[-1][state_layer(name)]
        for node, _, _ in loop:
            values[node] = _folded(tf.stack([step[node] for step in steps], axis=1))


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
