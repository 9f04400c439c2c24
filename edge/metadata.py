"""The metadata of a deployed file, and how it is carried inside the .tflite.

The metadata is a JSON document in a ZIP archive appended to the flatbuffer, the way TFLite Metadata packs associated
files: every TFLite runtime ignores the tail, and `unzip -p model.tflite sge.json` reads it without this package.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.boxes import AnchorMap
from edge.errors import InputError
from edge.scores import SCORE_FORMS

FORMAT = "keras-sge"
# The second has other scores, limits or rounded anchors, which readers of the first alone would take for theirs.
FORMAT_VERSIONS = (1, 2)
_MEMBER = "sge.json"
# What zipfile, zlib and json raise on broken bytes, and what a document of another shape leads to.
_DAMAGE = (zipfile.BadZipFile, zlib.error, KeyError, TypeError, ValueError, OSError, EOFError, RuntimeError)


@dataclass(frozen=True)
class EntropySettings:
    """How the information entropy map becomes the `attention` input; arguments of `edge.entropy_attention`."""

    window: int = 3
    border: str = "reflect_101"
    opening: int = 3
    stride: int = 32


@dataclass(frozen=True)
class StateTensor:
    """One recurrent state: the output `output` of a frame is the input `input` of the next.

    `scale` and `zero_point` are 0 for float tensors; `reset` is the raw value of a fresh state's elements.
    """

    input: str
    output: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    scale: float = 0.0
    zero_point: int = 0
    reset: float = 0.0


@dataclass(frozen=True)
class Metadata:
    """Everything that `edge.Detector` needs to know about a model.

    Attributes:
        name: the network's name. labels: class names.
        height, width: input size in pixels. Images are RGB, (x - mean) / scale.
        precision: float32, float16, dynamic or int8.
        anchors: the detection maps, in output order. variances: of the box codes.
        scores: what the class logits are: `softmax`, a background in column 0 and label i in column i + 1; or
            `sigmoid`, label i in column i, each for itself.
        box_limits, score_limits: (lowest, highest) code and logit of each detection map, what lies beyond becomes them;
            empty for none.
        score_threshold, iou_threshold, max_detections: defaults for a detector.
        box_voting: whether boxes that lose in suppression move the winner, see `edge.boxes.vote`.
        entropy: settings of the host operator that feeds `attention`; None where the file takes no such input.
        states: recurrent states, none for a single-frame network.
        signature: the signature's name in the file; inputs `image`, `attention`, outputs `boxes`, `scores`.
        sha256: hex digest of the flatbuffer without the archive.
        details: facts for people, in no fixed form: configuration, training run, versions.
    """

    name: str
    labels: tuple[str, ...]
    height: int
    width: int
    precision: str
    anchors: tuple[AnchorMap, ...]
    variances: tuple[float, float] = (0.1, 0.2)
    mean: float = 127.5
    scale: float = 127.5
    score_threshold: float = 0.4
    iou_threshold: float = 0.45
    max_detections: int = 100
    box_voting: bool = False
    entropy: EntropySettings | None = None
    states: tuple[StateTensor, ...] = ()
    scores: str = "softmax"
    box_limits: tuple[tuple[float, float], ...] = ()
    score_limits: tuple[tuple[float, float], ...] = ()
    signature: str = "serving_default"
    sha256: str = ""
    details: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def format_version(self) -> int:
        """The lowest version that can say all this."""
        rounded = any(grid.step for grid in self.anchors)
        return 2 if self.scores != "softmax" or self.box_limits or self.score_limits or rounded else 1

    @property
    def score_columns(self) -> int:
        """Logits of an anchor."""
        return len(self.labels) + (self.scores == "softmax")


def append_metadata(flatbuffer: bytes, metadata: Metadata) -> bytes:
    """The flatbuffer with its metadata behind it; the digest is filled in here."""
    metadata = dataclasses.replace(metadata, sha256=hashlib.sha256(flatbuffer).hexdigest())
    document = {"format": FORMAT, "format_version": metadata.format_version, **dataclasses.asdict(metadata)}
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for member, text in (
            (_MEMBER, json.dumps(document, indent=1)),
            ("labels.txt", "\n".join(metadata.labels) + "\n"),
        ):
            # A fixed date makes the same model the same bytes.
            zipped.writestr(zipfile.ZipInfo(member, (1980, 1, 1, 0, 0, 0)), text, zipfile.ZIP_DEFLATED)
    return flatbuffer + archive.getvalue()


def read_model(path: str | Path) -> tuple[bytes, Metadata]:
    """Reads and checks a deployed file.

    Returns:
        The flatbuffer (without the archive) and its metadata.

    Raises:
        InputError: no such file, not a .tflite, not written by `sge export`, or damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"no model file at {path}. Give a .tflite file written by `sge export`.")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}. Check its permissions.") from error
    if content[4:8] != b"TFL3":
        raise InputError(
            f"{path} is not a TFLite model: expected the identifier TFL3 at byte 4, received {content[4:8]!r} "
            f"in a file of {len(content)} bytes. Give a .tflite file written by `sge export`."
        )
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as zipped:
            start = min(member.header_offset for member in zipped.infolist())
            document = json.loads(zipped.read(_MEMBER))
        if document["format"] != FORMAT:
            raise KeyError(FORMAT)
        version = document["format_version"]
    except _DAMAGE as error:
        raise InputError(
            f"{path} holds no readable keras-sge metadata: it was not written by `sge export`, or it was cut short "
            f"({len(content)} bytes are here). Copy it again, or export it again."
        ) from error
    if version not in FORMAT_VERSIONS:
        raise InputError(
            f"{path} has metadata version {version}; this keras-sge reads {' and '.join(map(str, FORMAT_VERSIONS))}. "
            "Export it again with this version, or install the version that wrote it."
        )
    flatbuffer = content[:start]
    try:
        metadata = _from_document(document)
    except _DAMAGE as error:
        raise InputError(f"{path} holds incomplete keras-sge metadata ({error!r}). Export it again.") from error
    if hashlib.sha256(flatbuffer).hexdigest() != metadata.sha256:
        raise InputError(f"{path} is damaged: its digest differs from the one recorded at export. Copy it again.")
    return flatbuffer, metadata


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _from_document(document: dict[str, Any]) -> Metadata:
    # A field that a newer version adds has a default, so that files written before it stay readable.
    fields = {
        field.name: document[field.name]
        for field in dataclasses.fields(Metadata)
        if field.name in document or _is_required(field)
    }
    fields["labels"] = tuple(fields["labels"])
    if fields.get("scores", "softmax") not in SCORE_FORMS:
        raise ValueError(f"scores: {fields['scores']}")
    for name in ("box_limits", "score_limits"):
        fields[name] = tuple((low, high) for low, high in fields.get(name, ()))
    if "variances" in fields:
        fields["variances"] = tuple(fields["variances"])
    fields["anchors"] = tuple(
        AnchorMap(grid["rows"], grid["columns"], tuple(tuple(box) for box in grid["boxes"]), grid.get("step", 0.0))
        for grid in fields["anchors"]
    )
    fields["entropy"] = EntropySettings(**fields["entropy"]) if fields.get("entropy") else None
    states = fields.get("states", ())
    fields["states"] = tuple(StateTensor(**{**state, "shape": tuple(state["shape"])}) for state in states)
    return Metadata(**fields)
