"""The parts of an SSD on MobileNetV1 as TensorFlow's Object Detection API writes it to a .tflite, quantized or float.

They are found by the structure of the graph and the shapes of its tensors, not by names.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge.errors import InputError
from keras_sge.models.pretrained import mobilenet_trunk
from keras_sge.models.tflite_graph import Convolution, TfliteGraph

_POSTPROCESS = "TFLite_Detection_PostProcess"


@dataclass(frozen=True)
class DetectionMap:
    """A detection map: its tensor's number and its heads."""

    tensor: int
    boxes: Convolution
    scores: Convolution

    @property
    def anchors(self) -> int:
        """Of a cell."""
        return self.boxes.filters // 4


class SSDFile:
    """What is where in a file.

    Args:
        path: of the file.

    Attributes:
        graph: the file. image: the input's tensor. size: its height and width.
        trunk: conv1, then of each block the depthwise and the 1x1 convolution. extras: for each map behind the trunk
            the 1x1 and the 3x3 convolution.
        maps: the detection maps, finest first.
        options: of the post-processing by name; empty where there is none.
        form: what becomes of the logits, `softmax` or `sigmoid`. columns: logits of an anchor. first: which of them is
            the first class's.

    Raises:
        InputError: another kind of network; in one line with the reason.
    """

    def __init__(self, path: str | Path):
        self.graph = graph = TfliteGraph(path)
        self.image = self._image()
        self.size = graph.shape(self.image)[1:3]
        self.trunk = mobilenet_trunk(graph)
        post = next((op for op in graph.operators if op.name == _POSTPROCESS), None)
        self.options = {} if post is None else _options(post.options)
        boxes, scores, *rest = self._answers() if post is None else post.inputs
        self._anchors = rest[0] if rest else None
        self.form, scores = self._form(scores)
        self._answers_of = {"boxes": self.graph.source(boxes), "scores": scores}
        self.maps = self._maps()
        self.extras = self._extras()
        self.columns = self.maps[0].scores.filters // self.maps[0].anchors
        # In front of the classes there is a background, unless the post-processing counts as many classes as columns.
        self.first = self.columns - int(self.options.get("num_classes", self.columns - 1))

    def anchors(self) -> tuple[np.ndarray, float] | None:
        """float32 (n, 4) y, x, height, width, fractions of the frame, and the step that they are rounded to, 0 for
        none. None where the file holds no anchors."""
        if self._anchors is None:
            return None
        found = self.graph.scale_and_zero(self.graph.source(self._anchors))
        return self.graph.constant(self._anchors), 0.0 if found is None else float(found[0].max())

    def limits(self, what: str) -> tuple[tuple[float, float], ...]:
        """(lowest, highest) that rounding leaves of each detection map's `boxes` or `scores`; empty of a float file."""
        ranges = []
        joined = self.graph.range(self._answers_of[what])
        for item in self.maps:
            own = self.graph.range(getattr(item, what).makes)
            if own is None or joined is None:
                return ()
            ranges.append((round(max(own[0], joined[0]), 4), round(min(own[1], joined[1]), 4)))
        return tuple(ranges)

    def other(self, reason: str) -> InputError:
        """The error that this is another kind of network."""
        return InputError(
            f"{self.graph.path} is no SSD on MobileNetV1 of TensorFlow's Object Detection API: {reason}."
        )

    def _image(self) -> int:
        graph = self.graph
        shapes = [graph.shape(tensor) for tensor in graph.inputs]
        if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][3] != 3:
            raise self.other(f"its inputs have the shapes {shapes}, expected one picture (1, height, width, 3)")
        return graph.inputs[0]

    def _answers(self) -> tuple[int, int]:
        """Box codes and scores where they are the file's outputs."""
        outputs = {tensor: [side for side in self.graph.shape(tensor) if side != 1] for tensor in self.graph.outputs}
        boxes = [tensor for tensor, shape in outputs.items() if len(shape) == 2 and shape[1] == 4]
        scores = [tensor for tensor, shape in outputs.items() if len(shape) == 2 and shape[1] != 4]
        if len(boxes) == 2:
            # With as many ids as codes; the API writes the codes first.
            boxes, scores = boxes[:1], boxes[1:]
        if len(boxes) != 1 or len(scores) != 1 or len(outputs) != 2:
            shapes = [self.graph.shape(tensor) for tensor in self.graph.outputs]
            raise self.other(f"its outputs have the shapes {shapes}, expected box codes and class scores")
        return boxes[0], scores[0]

    def _form(self, scores: int) -> tuple[str, int]:
        """What makes scores of the logits, and the logits; a file without that part leaves a sigmoid to its user."""
        source = self.graph.source(scores)
        maker = self.graph.maker(source)
        if maker is not None and maker.name in ("LOGISTIC", "SOFTMAX"):
            return "softmax" if maker.name == "SOFTMAX" else "sigmoid", self.graph.source(maker.inputs[0])
        return "sigmoid", source

    def _maps(self) -> list[DetectionMap]:
        heads = [self._heads(answer, what) for what, answer in self._answers_of.items()]
        if len(heads[0]) != len(heads[1]) or any(a.reads != b.reads for a, b in zip(*heads, strict=True)):
            raise self.other("its boxes and scores are read off other maps")
        maps = [DetectionMap(box.reads, box, score) for box, score in zip(*heads, strict=True)]
        if [item.tensor for item in maps[:2]] != [self.trunk[22].makes, self.trunk[-1].makes]:
            raise self.other("its first two detection maps are not the trunk's last of stride 16 and of stride 32")
        if any(item.boxes.filters % 4 or item.scores.filters % item.anchors for item in maps):
            raise self.other("its heads' channels are not a multiple of its anchors'")
        if len({item.scores.filters // item.anchors for item in maps}) != 1:
            raise self.other("its heads count classes differently")
        return maps

    def _heads(self, answer: int, what: str) -> list[Convolution]:
        joined = self.graph.maker(self.graph.source(answer))
        if joined is None or joined.name != "CONCATENATION":
            raise self.other(f"its {what} are not joined of those of several maps")
        made = {conv.makes: conv for conv in self.graph.convolutions}
        heads = [made.get(self.graph.source(tensor)) for tensor in joined.inputs]
        if any(head is None or head.kind != "conv" or head.size != 1 or head.relu6 for head in heads):
            raise self.other(f"its {what} come from other layers than 1x1 convolutions")
        return heads

    def _extras(self) -> list[tuple[Convolution, Convolution]]:
        """For each map behind the trunk its 1x1 and its 3x3 convolution of stride 2."""
        heads = {conv for item in self.maps for conv in (item.boxes, item.scores)}
        found, x = [], self.trunk[-1].makes
        for item in self.maps[2:]:
            first = [conv for conv in self.graph.readers[x] if conv not in heads]
            second = self.graph.readers[first[0].makes] if len(first) == 1 else []
            if len(second) != 1 or second[0].makes != item.tensor:
                raise self.other("its extra maps do not follow each other by two convolutions")
            for conv, size, stride in ((first[0], 1, 1), (second[0], 3, 2)):
                if (conv.kind, conv.size, conv.stride, conv.same, conv.relu6) != (
                    *("conv", size, (stride, stride)),
                    *(True, True),
                ):
                    raise self.other("its extra maps are not made by a 1x1 and a 3x3 of stride 2, with ReLU6")
            found.append((first[0], second[0]))
            x = item.tensor
        return found


def _options(content: bytes) -> dict[str, Any]:
    """A custom operator's options by name."""
    # Comes with the runtime.
    from flatbuffers import flexbuffers

    return dict(flexbuffers.Loads(content)) if content else {}
