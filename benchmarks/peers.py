"""Times our models against Google's two detectors for phones, frame to boxes and the bare network, on the same frames.

    python benchmarks/peers.py --peers ../shared/peers --clip clip.mp4 --ours small=a.tflite large=b.tflite --write

The peers: the AutoML Video model (MobileNetV2 with a Bottleneck-LSTM, 256 px, uint8, its state fed back; the closest
relative of SGE-Net that exists as a file), COCO SSD300-MobileNetV1 (alpha 0.75, uint8) and, where its file is there,
FastestDet (352 px, float32, in OpenCV's dnn). All run on the same runtime with the same threads. In every round each
contestant sees the round's frame once, in an order that rotates; ratios are medians of the rounds' own ratios.
Measure on a quiet machine all the same: a short network slips between what else runs, a long one does not.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

import cv2
import numpy as np
from document import circumstances, machine, markdown_table, write_figures

from edge.boxes import suppress
from edge.detector import Detector
from edge.errors import InputError
from edge.metadata import read_model
from edge.preprocess import resize_frame
from edge.runtimes.litert import load_interpreter
from edge.video.open import open_source

Item = TypeVar("Item")
WARM_UP = 5
SCORE = 0.4
LSTM, SSD = "AutoML Video LSTM 256", "COCO SSD300 0.75"


@dataclass
class Contestant:
    """One model. step: frame to boxes. invoke: the network alone. whole, bare: seconds of each round."""

    name: str
    size: int
    step: Callable[[np.ndarray], Any]
    invoke: Callable[[], Any]
    whole: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)


def main() -> None:
    """Parses the arguments, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", metavar="DIR", required=True, help="the folder with the peers' files")
    parser.add_argument("--clip", metavar="VIDEO", required=True, help="whose frames are detected in")
    parser.add_argument("--ours", metavar="NAME=FILE", nargs="+", required=True, help="our models, any number")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="of every network (default: 1)")
    parser.add_argument("--rounds", type=int, default=100, metavar="N", help="counted rounds (default: 100)")
    parser.add_argument("--write", action="store_true", help="write docs/results/peers.json and docs/benchmarks.md")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    try:
        contestants = [
            *(ours(pair, arguments.threads) for pair in arguments.ours),
            *peers(Path(arguments.peers), arguments.threads),
        ]
        measure(contestants, arguments.clip, arguments.rounds)
    except InputError as error:
        parser.error(str(error))
    figures = {
        "clip": Path(arguments.clip).name,
        "rounds": arguments.rounds,
        "threads": arguments.threads,
        "machine": machine(),
        "models": {one.name: summary(one, contestants) for one in contestants},
    }
    text = report(figures)
    print(text)
    if arguments.write:
        write_figures("peers", figures, text)


def ours(pair: str, threads: int) -> Contestant:
    """A model of ours from NAME=FILE."""
    name, _, path = pair.partition("=")
    if not path:
        raise InputError(f"--ours takes NAME=FILE. Received: {pair}")
    detector = Detector(path, threads, SCORE)
    flatbuffer, metadata = read_model(path)
    return Contestant(
        f"{name} ({metadata.precision})", len(flatbuffer), detector, bare_invoke(load_interpreter(flatbuffer, threads))
    )


def peers(folder: Path, threads: int) -> list[Contestant]:
    """The peers whose files are in the folder."""
    found = []
    for name, file in ((LSTM, "automl_traffic_model.tflite"), (SSD, "coco_ssd_mobilenet_v1_0.75_300_uint8.tflite")):
        path = folder / file
        if not path.is_file():
            raise InputError(f"{folder} holds no {file}. Give the folder with the peers' files.")
        content = path.read_bytes()
        invoke = bare_invoke(load_interpreter(content, threads))
        found.append(Contestant(name, len(content), TFLitePeer(load_interpreter(content, threads)), invoke))
    onnx = folder / "FastestDet.onnx"
    if onnx.is_file() and threads == 1:
        peer = FastestDet(onnx)
        found.append(Contestant("FastestDet 352 (OpenCV)", onnx.stat().st_size, peer, peer.forward))
    return found


def bare_invoke(interpreter: Any) -> Callable[[], None]:
    """`invoke` of an interpreter whose inputs hold random values."""
    generator = np.random.default_rng(0)
    for detail in interpreter.get_input_details():
        values = generator.uniform(0, 1 if detail["dtype"] == np.float32 else 127, tuple(detail["shape"]))
        interpreter.set_tensor(detail["index"], values.astype(detail["dtype"]))
    return interpreter.invoke


class TFLitePeer:
    """A quantized detector with its post-processing inside, and a state where it has one, fed back as bytes.

    Args:
        interpreter: of the file; inputs and outputs are found by their names.
    """

    def __init__(self, interpreter: Any):
        self._interpreter = interpreter
        inputs = {detail["name"]: detail for detail in interpreter.get_input_details()}
        outputs = {detail["name"]: detail for detail in interpreter.get_output_details()}
        image = inputs["normalized_input_image_tensor"]
        self._image, self._side = image["index"], int(image["shape"][1])
        self._boxes, self._classes, self._scores = (
            outputs["TFLite_Detection_PostProcess" + suffix]["index"] for suffix in ("", ":1", ":2")
        )
        self._states = []
        for name, detail in inputs.items():
            if "init_lstm" in name:
                output = outputs[name.replace("raw_inputs/init_lstm", "raw_outputs/lstm")]
                # The bytes go straight back: both ends have one scale.
                assert detail["quantization"] == output["quantization"]
                self._states.append((detail["index"], output["index"]))
                zero = np.full(detail["shape"], detail["quantization"][1], detail["dtype"])
                interpreter.set_tensor(detail["index"], zero)

    def __call__(self, frame: np.ndarray) -> list[tuple[int, float, list[float]]]:
        """One frame to (class, score, box in pixels)."""
        interpreter = self._interpreter
        rgb = cv2.cvtColor(resize_frame(frame, self._side, self._side), cv2.COLOR_BGR2RGB)
        interpreter.set_tensor(self._image, rgb[None])
        interpreter.invoke()
        for into, out in self._states:
            interpreter.set_tensor(into, interpreter.get_tensor(out))
        boxes, classes, scores = (interpreter.get_tensor(i)[0] for i in (self._boxes, self._classes, self._scores))
        good = scores > SCORE
        height, width = frame.shape[:2]
        pixels = boxes[good] * np.array([height, width, height, width], np.float32)
        return list(zip(classes[good].astype(int).tolist(), scores[good].tolist(), pixels.tolist(), strict=True))


class FastestDet:
    """FastestDet in OpenCV's dnn: one 22 x 22 map of objectness, box and 80 classes.

    Args:
        path: of the ONNX file.
    """

    side = 352

    def __init__(self, path: Path):
        self._network = cv2.dnn.readNetFromONNX(str(path))
        self._network.setInput(np.zeros((1, 3, self.side, self.side), np.float32))

    def forward(self) -> np.ndarray:
        """The network alone, on the last input."""
        return self._network.forward()

    def __call__(self, frame: np.ndarray) -> list[tuple[int, float, list[float]]]:
        """One frame to (class, score, box in pixels)."""
        self._network.setInput(cv2.dnn.blobFromImage(resize_frame(frame, self.side, self.side), 1 / 255))
        output = self.forward()[0]
        scores = output[0] ** 0.6 * output[5:].max(axis=0) ** 0.4
        rows, columns = np.nonzero(scores > SCORE)
        dx, dy, w, h = output[1:5, rows, columns]
        center = (np.stack([np.tanh(dx) + columns, np.tanh(dy) + rows], 1)) / scores.shape
        half = np.stack([1 / (1 + np.exp(-w)), 1 / (1 + np.exp(-h))], 1) / 2
        boxes = np.concatenate([center - half, center + half], 1) * np.tile(frame.shape[1::-1], 2)
        classes, found = output[5:, rows, columns].argmax(axis=0), scores[rows, columns]
        kept = suppress(boxes, found, classes, 0.45, 100)
        return list(zip(classes[kept].tolist(), found[kept].tolist(), boxes[kept].tolist(), strict=True))


def measure(contestants: list[Contestant], clip: str, rounds: int) -> None:
    """Runs them in turn: each round one frame, in a rotating order."""
    if rounds < 1:
        raise InputError(f"--rounds must be at least 1. Received: {rounds}")
    with open_source(clip) as source:
        frames = [frame for _, _, frame in itertools.islice(source, 100)]
    for number, one in in_turn(contestants, WARM_UP + rounds):
        start = perf_counter()
        one.step(frames[number % len(frames)])
        middle = perf_counter()
        one.invoke()
        end = perf_counter()
        if number >= WARM_UP:
            one.whole.append(middle - start)
            one.bare.append(end - middle)


def in_turn(items: list[Item], rounds: int) -> Iterator[tuple[int, Item]]:
    """(round, item): every item once a round, each round beginning with the next one."""
    for number in range(rounds):
        shift = number % len(items)
        yield from ((number, item) for item in items[shift:] + items[:shift])


def summary(one: Contestant, contestants: list[Contestant]) -> dict[str, Any]:
    """Milliseconds, and how many times longer each peer takes."""
    figures: dict[str, Any] = {"bytes": one.size}
    for name, seconds in (("frame_to_boxes_ms", one.whole), ("invoke_ms", one.bare)):
        figures[name] = {f"p{point}": round(1e3 * float(np.percentile(seconds, point)), 3) for point in (10, 50, 95)}
    for other in contestants:
        if other.name in (LSTM, SSD) and other is not one:
            figures[f"times_faster_than {other.name}"] = {
                "frame_to_boxes": round(paired(other.whole, one.whole), 2),
                "invoke": round(paired(other.bare, one.bare), 2),
                "our_frame_to_boxes_against_its_invoke": round(paired(other.bare, one.whole), 2),
            }
    return figures


def paired(slow: list[float], fast: list[float]) -> float:
    """The median of the rounds' ratios."""
    return statistics.median(a / b for a, b in zip(slow, fast, strict=True))


def report(figures: dict[str, Any]) -> str:
    """The figures as Markdown."""
    rows = []
    for name, model in figures["models"].items():
        ratios = [model.get(f"times_faster_than {peer}") for peer in (LSTM, SSD)]
        rows.append(
            [
                name,
                f"{model['bytes'] / 1e6:.2f}",
                *(f"{model[key][point]:.2f}" for key in ("frame_to_boxes_ms", "invoke_ms") for point in ("p10", "p50")),
                *(f"{ratio[key]:.2f}" if ratio else "" for ratio in ratios for key in ("frame_to_boxes", "invoke")),
            ]
        )
    header = ["model", "MB", "frame to boxes, p10", "p50", "invoke, p10", "p50"]
    header += ["LSTM's time / its, frame to boxes", "invoke", "SSD300's / its, frame to boxes", "invoke"]
    return (
        f"Milliseconds, {figures['rounds']} interleaved rounds on frames of {figures['clip']}, "
        f"{circumstances(figures)}.\n\n{markdown_table(header, rows)}\n"
    )


if __name__ == "__main__":
    main()
