"""Detectors of TensorFlow's Object Detection API as networks of ours: SSD on MobileNetV1, quantized or float."""

from __future__ import annotations

import itertools
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from edge.atomic import atomic_path
from edge.errors import InputError
from keras_sge.config import AnchorConfig, Config, HeadsConfig, NetworkConfig
from keras_sge.config.maps import TRUNK_BLOCKS
from keras_sge.config.run_folder import RunFolder
from keras_sge.models.mobilenet_v1 import folded_norm, scaled
from keras_sge.models.sge_net import SGENet
from keras_sge.models.ssd_file import SSDFile
from keras_sge.models.topology import topology
from keras_sge.models.weights import assign_weights

# The API's anchors: from the second map on of scales between these shares of the frame, and these aspect ratios.
_SMALLEST, _LARGEST, _RATIOS = 0.2, 0.95, (1.0, 2.0, 1 / 2, 3.0, 1 / 3)
_FIRST_MAP = ((0.1, 1.0), (_SMALLEST, 2.0), (_SMALLEST, 1 / 2))
# The usual scales of its box codes: center y and x, height and width.
_CODE_SCALES = {"y_scale": 10.0, "x_scale": 10.0, "h_scale": 5.0, "w_scale": 5.0}
# In a list of labels: an id that is no class.
_NO_CLASS = ("", "???", "n/a", "background")


def import_detector(
    file: str | Path,
    labels: str | Path | Sequence[str] | None = None,
    run: str | Path | None = None,
    input_size: tuple[int, int] | None = None,
) -> SGENet:
    """A single-frame network that answers as somebody else's detector does.

    The file is an SSD on MobileNetV1 from TensorFlow's Object Detection API, quantized or float, with its
    post-processing or without. Weights, anchors, box coding, the form of the scores and the limits that rounding set to
    boxes and scores are the file's; the background and ids without a class are left out. A file without
    post-processing holds no anchors: then they are the API's. The anchors of a quantized file are rounded, by a pixel
    or so, and so they are here at the file's own size, and only there.

    Args:
        file: the `.tflite`.
        labels: a text file with a class name a line, or the names, in the order of the file's ids; `???` is an id
            without a class, and a first line for the background may be there. None for the list that the file carries.
        run: a folder in which the network becomes a run like those of `sge train`; None writes nothing.
        input_size: height and width in pixels, multiples of 32; None for the file's own. Anchors keep their pixels.

    Returns:
        The clip model.

    Raises:
        InputError: another kind of file, labels that do not fit it, another size, or a run is in the folder already.

    Example:
        model = keras_sge.import_detector("coco_ssd_mobilenet_v1.tflite", "coco_labels.txt", run="runs/everyday")
    """
    folder = None if run is None else RunFolder(run)
    if folder:
        folder.check_free("--out")
    if input_size is not None and any(side < 32 or side % 32 for side in input_size):
        raise InputError(f"the input size must be multiples of 32 pixels. Received: {list(input_size)}")
    detector = SSDFile(file)
    classes, columns = _classes(detector, _label_lines(file, labels))
    config = _network(detector, classes, input_size)
    model = SGENet(config)
    _, missing = assign_weights(model, dict(_weights(detector, config, columns)))
    if missing:
        raise InputError(f"{file} lacks {len(missing)} of the network's weights, {missing[0]} among them.")
    if folder:
        folder.write_config(Config(config))
        with atomic_path(folder.model) as temporary:
            model.save(temporary)
    return model


def _network(detector: SSDFile, classes: Sequence[str], input_size: tuple[int, int] | None) -> NetworkConfig:
    """The configuration of the network that the file holds."""
    alpha = detector.trunk[0].filters / 32
    wanted = [scaled(channels, alpha) for channels, _ in TRUNK_BLOCKS]
    if [conv.filters for conv in detector.trunk[2::2]] != wanted:
        raise detector.other(f"its channels are not those of a MobileNetV1 of width {alpha:g}")
    boxes, step = _anchor_boxes(detector)
    own_size = input_size in (None, detector.size)
    # Channels of a configuration are those at alpha 1.
    extras = tuple((round(first.filters / alpha), round(second.filters / alpha)) for first, second in detector.extras)
    return NetworkConfig(
        name=re.sub(r"[^\w .-]", "_", detector.graph.path.stem).lstrip(" .-") or "imported",
        classes=tuple(classes),
        input_size=input_size or detector.size,
        alpha=alpha,
        anchors=AnchorConfig(variances=_variances(detector), boxes=boxes, step=step if own_size else 0.0),
        extras=extras,
        extras_kind="conv3x3",
        last_block=f"conv{len(TRUNK_BLOCKS) + 1}",
        heads=HeadsConfig("conv1x1", detector.form, detector.limits("boxes"), detector.limits("scores")),
    )


def _weights(
    detector: SSDFile, config: NetworkConfig, columns: Sequence[int]
) -> Iterator[tuple[str, np.ndarray]]:
    """The network's weights by `layer/weight`; of the scores those `columns` are taken."""
    rows = [row for part in ("trunk", "extras") for row in topology(config) if row.part == part]
    convolutions = [*detector.trunk, *(conv for pair in detector.extras for conv in pair)]
    for row, conv in zip(rows, convolutions, strict=True):
        yield f"{row.name}/kernel", conv.kernel
        yield from folded_norm(row.name, conv.bias).items()
    # Its codes are y, x, height, width, ours x, y, width, height.
    for group, taken in (("boxes", (1, 0, 3, 2)), ("scores", columns)):
        for row, item in zip(topology(config).heads(group), detector.maps, strict=True):
            conv = getattr(item, group)
            for name, value in (("kernel", conv.kernel), ("bias", conv.bias)):
                by_anchor = value.reshape(*value.shape[:-1], item.anchors, -1)[..., list(taken)]
                yield f"{row.name}/{name}", by_anchor.reshape(*value.shape[:-1], -1)


def _variances(detector: SSDFile) -> tuple[float, float]:
    scales = {name: float(detector.options.get(name, usual)) for name, usual in _CODE_SCALES.items()}
    y, x, height, width = scales.values()
    if y != x or height != width:
        raise detector.other(f"its box codes are scaled unlike in the two directions: {scales}")
    return 1 / y, 1 / height


def _anchor_boxes(detector: SSDFile) -> tuple[tuple[tuple[tuple[float, float], ...], ...], float]:
    """(width, height) of each map's anchors in pixels of the file's own input, and the step they are rounded to there,
    as a fraction of it."""
    height, width = detector.size
    usual = _api_anchors(len(detector.maps))
    counts = [item.anchors for item in detector.maps]
    stored = detector.anchors()
    if stored is None:
        if counts != [len(shapes) for shapes in usual]:
            raise detector.other(f"it holds no anchors, and the API's are not {counts} in a cell")
        shapes, step = usual, 0.0
    else:
        shapes, step = _cell_shapes(detector, *stored), stored[1]
        # Rounded anchors are only what is left of those that the network was trained with.
        alike = counts == [len(item) for item in usual]
        if alike and np.abs(np.concatenate(shapes) - np.concatenate(usual)).max() <= step:
            shapes = usual
    pixels = tuple(
        tuple((round(float(w) * width, 2), round(float(h) * height, 2)) for w, h in item) for item in shapes
    )
    return pixels, step


def _cell_shapes(detector: SSDFile, anchors: np.ndarray, step: float) -> list[np.ndarray]:
    """Of stored anchors the (width, height) of each map's, (n, 2); they must be the same in every cell."""
    shapes, start = [], 0
    for item in detector.maps:
        rows, columns = detector.graph.shape(item.tensor)[1:3]
        count = rows * columns * item.anchors
        own = anchors[start : start + count].reshape(-1, columns, item.anchors, 4)
        start += count
        centers = (np.arange(rows) + 0.5) / rows, (np.arange(columns) + 0.5) / columns
        mean = own[..., 2:].mean(axis=(0, 1))
        off = max(
            np.abs(own[..., 0] - centers[0][:, None, None]).max(),
            np.abs(own[..., 1] - centers[1][None, :, None]).max(),
            np.abs(own[..., 2:] - mean).max(),
        )
        if off > max(step, 1e-4):
            raise detector.other(f"its anchors of the {rows} x {columns} map are not alike around the cells' centers")
        shapes.append(mean[:, ::-1])
    if start != len(anchors):
        raise detector.other(f"it has {len(anchors)} anchors, where its maps have {start}")
    return shapes


def _api_anchors(maps: int) -> list[np.ndarray]:
    """The API's (width, height) of each map's anchors, fractions of the frame."""
    scales = [*np.linspace(_SMALLEST, _LARGEST, maps), 1.0]
    later = [
        [*((scale, ratio) for ratio in _RATIOS), ((scale * following) ** 0.5, 1.0)]
        for scale, following in itertools.pairwise(scales[1:])
    ]
    shapes = [_FIRST_MAP, *later]
    return [np.array([(scale * ratio**0.5, scale / ratio**0.5) for scale, ratio in item]) for item in shapes]


def _label_lines(file: str | Path, labels: str | Path | Sequence[str] | None) -> list[str]:
    """The file's ids as text, one for each, trailing blank lines left out."""
    if labels is None:
        text = _carried_labels(Path(file))
    elif isinstance(labels, (str, Path)):
        try:
            text = Path(labels).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"no labels at {labels}: {error}. Give a text file, a name a line.") from error
    else:
        return [str(name).strip() for name in labels]
    return [line.strip() for line in text.rstrip().splitlines()]


def _carried_labels(file: Path) -> str:
    try:
        with zipfile.ZipFile(file) as archive:
            names = [name for name in archive.namelist() if name.endswith(".txt")]
            if len(names) == 1:
                return archive.read(names[0]).decode()
    except (zipfile.BadZipFile, OSError, UnicodeDecodeError):
        pass
    raise InputError(f"{file} carries no list of labels. Give one: --labels labels.txt, a name a line.")


def _classes(detector: SSDFile, lines: Sequence[str]) -> tuple[list[str], list[int]]:
    """Class names, and the columns of the file's scores that are kept."""
    first, columns = detector.first, detector.columns
    names = lines[first:] if len(lines) == columns else lines
    if len(names) != columns - first:
        raise InputError(
            f"{detector.graph.path} scores {columns - first} ids. Expected a label for each, `???` for those without a "
            f"class, and perhaps one for the background in front. Received: {len(lines)} labels"
        )
    if detector.form == "softmax":
        # Shares of one whole: what is left out would change the others.
        return [name or f"class {number}" for number, name in enumerate(names)], list(range(columns))
    kept = [(name, first + number) for number, name in enumerate(names) if name.lower() not in _NO_CLASS]
    return [name for name, _ in kept], [column for _, column in kept]
