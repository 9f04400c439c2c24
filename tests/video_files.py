"""Videos and images as phones and editors leave them, made without FFmpeg's program: turned, trimmed, cut."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

WIDTH, HEIGHT, FPS = 64, 48, 10
_SQUARES = [(slice(y, y + 16), slice(x, x + 16)) for y in (16, 32) for x in (0, 16, 32)]
_TURNS = {
    0: (1, 0, 0, 1, 0, 0),
    90: (0, 1, -1, 0, HEIGHT, 0),
    180: (-1, 0, 0, -1, WIDTH, HEIGHT),
    270: (0, -1, 1, 0, 0, WIDTH),
}


def marked_frame(number: int) -> np.ndarray:
    """A gray frame with a white corner, top left, its number in six black or white squares, and noise at the right, so
    that most of a file is frames."""
    frame = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    frame[:, 48:] = np.random.default_rng(number).integers(0, 256, (HEIGHT, 16, 3))
    frame[:16, :16] = 255
    for bit, (rows, columns) in enumerate(_SQUARES):
        frame[rows, columns] = 255 * (number >> bit & 1)
    return frame


def number_of(frame: np.ndarray) -> int:
    """Which `marked_frame` it is, compression notwithstanding."""
    return sum(int(frame[place].mean() > 128) << bit for bit, place in enumerate(_SQUARES))


def write_video(path: Path, frames: int = 40, code: str = "mp4v") -> Path:
    """A video of `marked_frame`s; the ending tells the container. In mpeg4 every twelfth frame is a key frame."""
    return write_frames(path, [marked_frame(number) for number in range(frames)], FPS, code)


def write_frames(path: Path, frames: Sequence[np.ndarray], fps: float, code: str = "mp4v") -> Path:
    """A video of BGR frames of one size; the ending tells the container."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), fps, frames[0].shape[1::-1])
    assert writer.isOpened()
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


def turn_mp4(path: Path, degrees: int) -> Path:
    """Has an mp4 say that it is seen turned clockwise by so many degrees."""
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 4 + 40
    a, b, c, d, x, y = _TURNS[degrees]
    matrix = (a << 16, b << 16, 0, c << 16, d << 16, 0, x << 16, y << 16, 1 << 30)
    content[place : place + 36] = struct.pack(">9i", *matrix)
    path.write_bytes(content)
    return path


def trim_mp4(path: Path, first: int, count: int) -> Path:
    """Has an mp4's edit list show `count` frames from `first` on, as trimming without encoding anew does."""
    content = bytearray(path.read_bytes())
    scales = [struct.unpack_from(">I", content, content.index(name) + 4 + 12)[0] for name in (b"mvhd", b"mdhd")]
    place = content.index(b"elst") + 4 + 8
    content[place : place + 8] = struct.pack(">Ii", count * scales[0] // FPS, first * scales[1] // FPS)
    path.write_bytes(content)
    return path


def move_index(path: Path) -> Path:
    """Puts an mp4's index in front of its frames, as for the web: such a file opens when its end is missing."""
    content = path.read_bytes()
    index, frames = content.index(b"moov") - 4, content.index(b"mdat") - 4
    assert frames < index
    size = struct.unpack_from(">I", content, index)[0]
    moved = bytearray(content[index : index + size])
    table = moved.index(b"stco") + 4
    for entry in range(struct.unpack_from(">I", moved, table + 4)[0]):
        at = table + 8 + 4 * entry
        moved[at : at + 4] = struct.pack(">I", struct.unpack_from(">I", moved, at)[0] + size)
    path.write_bytes(content[:frames] + moved + content[frames:index])
    return path


def cut(path: Path, keep: float) -> Path:
    """Cuts a file's end off."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    return path


def write_image(path: Path, picture: np.ndarray, orientation: int, order: str = "<") -> Path:
    """An image whose metadata say how it is to be turned; JPEG, PNG, WebP or TIFF by its ending."""
    lossless = [cv2.IMWRITE_WEBP_QUALITY, 101] if path.suffix == ".webp" else []
    body = cv2.imencode(path.suffix, picture, lossless)[1].tobytes()
    mark = b"II*\0" if order == "<" else b"MM\0*"
    exif = mark + struct.pack(order + "IHHHIHHI", 8, 1, 0x112, 3, 1, orientation, 0, 0)
    if path.suffix in (".jpg", ".jpeg"):
        exif = b"Exif\0\0" + exif
        body = body[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + body[2:]
    elif path.suffix == ".png":
        chunk = b"eXIf" + exif
        body = body[:33] + struct.pack(">I", len(exif)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + body[33:]
    elif path.suffix == ".webp":
        height, width = picture.shape[:2]
        sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        parts = b"WEBPVP8X" + struct.pack("<I", 10) + b"\x08\0\0\0" + sides + body[12:]
        parts += b"EXIF" + struct.pack("<I", len(exif)) + exif
        body = b"RIFF" + struct.pack("<I", len(parts)) + parts
    else:
        body = _tiff(body, orientation)
    path.write_bytes(body)
    return path


def _tiff(body: bytes, orientation: int) -> bytes:
    """The file with its directory once more at the end, the orientation in it."""
    place = struct.unpack_from("<I", body, 4)[0]
    count = struct.unpack_from("<H", body, place)[0]
    entries = [struct.unpack_from("<HHII", body, place + 2 + 12 * number) for number in range(count)]
    entries = sorted([entry for entry in entries if entry[0] != 0x112] + [(0x112, 3, 1, orientation)])
    body += b"\0" * (len(body) % 2)
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return body[:4] + struct.pack("<I", len(body)) + body[8:] + directory + b"\0\0\0\0"
