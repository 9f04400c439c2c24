"""`sge teach`: a memory for a trained detector, learned from video without labels."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.atomic import check_folder
from edge.errors import InputError
from keras_sge.cli.own_data import print_next
from keras_sge.cli.quiet_keras import import_keras
from keras_sge.config import Config, MemoryConfig, TeachingConfig
from keras_sge.config.config import with_overrides
from keras_sge.config.maps import MAPS
from keras_sge.config.network import KINDS
from keras_sge.config.run_folder import RunFolder
from keras_sge.progress import progress_bar

HELP = "teach a trained detector a memory by video without labels"
EPILOG = """examples:
  sge teach runs/single --videos recordings --out runs/taught             an hour of video is enough
  sge teach runs/single --videos recordings clips/a.mp4 --out runs/taught --set teaching.steps_per_epoch=100
  sge teach runs/single --videos recordings --out runs/taught --filters 64        a smaller memory
  sge teach runs/single --videos recordings --out runs/taught --resume            go on after a stop

RUN is a single-frame detector of `sge train`. It stays as it is and teaches: the new network sees some frames damaged
(blurred, noisy, dark, covered, compressed, frozen, one by one, in runs or all of them) and learns to answer what RUN
answers on the clean ones, from what it remembers. Some videos are held out; report.md says on them what the memory is
worth, beside the detector alone and beside `hold`, the rule that costs nothing. Settings: `teaching` in config.yaml.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.epilog = EPILOG
    parser.add_argument("run", metavar="RUN", help="run folder, .keras or .npz of a network without memory")
    parser.add_argument(
        "--videos", metavar="PATH", nargs="+", help="folders and files, searched for videos (of --resume: as before)"
    )
    parser.add_argument("--out", metavar="DIR", required=True, help="the new run's folder")
    parser.add_argument("--name", help="of the new network (default: that of RUN with _taught behind)")
    parser.add_argument("--memory", metavar="KIND", default="correction_gru", help=f"one of {', '.join(KINDS)}")
    parser.add_argument(
        "--attach-to",
        metavar="MAP",
        nargs="+",
        help=f"maps behind which it stands, of {', '.join(MAPS)} (default: those of the trunk that the heads read)",
    )
    parser.add_argument("--filters", metavar="N", type=int, default=128, help="its channels at alpha 1 (default: 128)")
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], help="change one setting; may be repeated"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on from DIR's last checkpoint, with its memory and videos"
    )
    parser.add_argument("--quiet", action="store_true", help="one line per epoch instead of a progress bar")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    out = RunFolder(arguments.out)
    others = [text for text in arguments.set if not text.startswith("teaching.")]
    if others:
        raise InputError(f"--set changes how a memory is taught, teaching.KEY=VALUE. Received: {', '.join(others)}")
    stored = out.stored_config() if arguments.resume else None
    teaching = stored.teaching if stored else TeachingConfig()
    if not arguments.resume:
        out.check_free()
    arguments.videos = arguments.videos or list(teaching.videos)
    if not arguments.videos:
        raise InputError("name videos to teach with: --videos PATH.")
    for path in arguments.videos:
        if not Path(path).exists():
            raise InputError(f"no file or folder {path}, which --videos names.")
    check_folder(out.path)

    import_keras()

    from keras_sge.models import load_model
    from keras_sge.teaching import teach

    teacher = load_model(arguments.run)
    if stored:
        # The memory is the run's own.
        memory, name = stored.network.memory, stored.network.name
    else:
        places = tuple(arguments.attach_to or ("conv12", teacher.config.last_block))
        memory = MemoryConfig(arguments.memory, arguments.filters, attach_to=places[0] if len(places) == 1 else places)
        name = arguments.name
    teaching = with_overrides(Config(teacher.config, teaching=teaching), arguments.set).teaching
    teach(
        *(arguments.run, arguments.videos, out.path, memory, teaching),
        name=name,
        resume=arguments.resume,
        verbose=2 if arguments.quiet else 1,
        progress=progress_bar("clip", "teach", arguments.quiet),
    )
    print(f"taught network: {out.model}")
    report = out.path / "report.md"
    if report.exists():
        print(f"\n{report.read_text(encoding='utf-8')}")
    print_next(
        ["sge", "export", str(out.path), "--out", str(out.path / "model.tflite")],
        ["sge-edge", "detect", arguments.videos[0], "--model", str(out.path / "model.tflite")],
    )
    return 0
