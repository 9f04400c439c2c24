"""The metadata's way into the file and out of it, and every kind of bad file."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile

import pytest

from edge.errors import InputError
from edge.metadata import append_metadata, read_model


def archive(document) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        zipped.writestr("sge.json", json.dumps(document))
    return buffer.getvalue()


@pytest.fixture
def flatbuffer() -> bytes:
    return b"\x1c\0\0\0TFL3" + bytes(range(256)) * 4


@pytest.fixture
def write(tmp_path):
    def write(content: bytes):
        path = tmp_path / "model.tflite"
        path.write_bytes(content)
        return path

    return write


def test_round_trip(flatbuffer, model_metadata, write):
    content = append_metadata(flatbuffer, model_metadata)
    read, metadata = read_model(write(content))
    assert read == flatbuffer
    assert len(metadata.sha256) == 64
    assert dataclasses.replace(metadata, sha256="") == model_metadata


def test_only_what_is_new_makes_the_second_version(flatbuffer, model_metadata, write):
    rounded = tuple(dataclasses.replace(grid, step=0.01) for grid in model_metadata.anchors)
    limits = ((-1.0, 2.0),) * len(model_metadata.anchors)
    changes = ({}, {"scores": "sigmoid"}, {"box_limits": limits}, {"score_limits": limits}, {"anchors": rounded})
    for changed, version in zip(changes, (1, 2, 2, 2, 2), strict=True):
        metadata = dataclasses.replace(model_metadata, **changed)
        path = write(append_metadata(flatbuffer, metadata))
        with zipfile.ZipFile(path) as archive:
            assert json.loads(archive.read("sge.json"))["format_version"] == version
        assert dataclasses.replace(read_model(path)[1], sha256="") == metadata
    assert dataclasses.replace(model_metadata, scores="sigmoid").score_columns == len(model_metadata.labels)


def test_same_model_gives_the_same_bytes(flatbuffer, model_metadata):
    assert append_metadata(flatbuffer, model_metadata) == append_metadata(flatbuffer, model_metadata)


def test_archive_opens_without_this_package(flatbuffer, model_metadata, write):
    with zipfile.ZipFile(write(append_metadata(flatbuffer, model_metadata))) as zipped:
        assert zipped.testzip() is None
        assert zipped.read("labels.txt").decode().split() == list(model_metadata.labels)
        assert json.loads(zipped.read("sge.json"))["name"] == model_metadata.name


@pytest.mark.parametrize("size", [0, 8, 0.5, -1])
def test_cut_file(flatbuffer, model_metadata, write, size):
    content = append_metadata(flatbuffer, model_metadata)
    size = int(size * len(content)) if isinstance(size, float) else size
    with pytest.raises(InputError, match=r"not a TFLite model|cut short"):
        read_model(write(content[:size]))


def test_no_such_file(tmp_path):
    with pytest.raises(InputError, match="no model file at"):
        read_model(tmp_path / "absent.tflite")


def test_not_a_tflite(write):
    with pytest.raises(InputError, match=r"not a TFLite model.*TFL3"):
        read_model(write(b"\x89PNG\r\n\x1a\n" + bytes(100)))


@pytest.mark.parametrize("document", [{}, [], {"format": "other"}, {"format": "keras-sge"}])
def test_not_ours(flatbuffer, write, document):
    with pytest.raises(InputError, match="not written by `sge export`"):
        read_model(write(flatbuffer + archive(document)))


def test_plain_tflite(flatbuffer, write):
    with pytest.raises(InputError, match="no readable keras-sge metadata"):
        read_model(write(flatbuffer))


def test_other_version(flatbuffer, write):
    with pytest.raises(InputError, match="metadata version 99"):
        read_model(write(flatbuffer + archive({"format": "keras-sge", "format_version": 99})))


def test_incomplete_document(flatbuffer, write):
    with pytest.raises(InputError, match=r"incomplete .*'name'"):
        read_model(write(flatbuffer + archive({"format": "keras-sge", "format_version": 1})))


def test_flipped_byte_in_the_network(flatbuffer, model_metadata, write):
    content = bytearray(append_metadata(flatbuffer, model_metadata))
    content[len(flatbuffer) // 2] ^= 1
    with pytest.raises(InputError, match="digest differs"):
        read_model(write(bytes(content)))


def test_a_flipped_byte_anywhere_is_refused_or_harmless(flatbuffer, model_metadata, write):
    content = append_metadata(flatbuffer, model_metadata)
    expected = read_model(write(content))
    refused = 0
    for position in range(len(flatbuffer), len(content)):
        flipped = bytearray(content)
        flipped[position] ^= 0x41
        try:
            assert read_model(write(bytes(flipped))) == expected
        except InputError:
            refused += 1
    assert refused > 300
