"""Teaching a memory by unlabelled video: a single-frame run in, a run with memory out."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from edge.atomic import atomic_path
from edge.errors import InputError
from keras_sge.config import Config, DataConfig, MemoryConfig, TeachingConfig, TrainingConfig
from keras_sge.config.run_folder import RunFolder, run_data
from keras_sge.data.dataset import VideoDataset
from keras_sge.data.formats.unlabelled_videos import UnlabelledVideos
from keras_sge.data.views import VideoSubset
from keras_sge.models import SGENet, load_model
from keras_sge.models.topology import layer_of, topology, weight_name
from keras_sge.models.weights import assign_weights
from keras_sge.progress import Progress, no_progress
from keras_sge.teaching.clips import CachedClips, cache_clips
from keras_sge.teaching.network import Teaching, feature_shape, tail, trunk, usual_memory, with_memory
from keras_sge.teaching.report import AnsweredVideos, teaching_report
from keras_sge.training.callbacks import FiniteWeights, Forecast, Log
from keras_sge.training.fit import swap_average, warmup_cosine
from keras_sge.training.start import set_starting_weights
from keras_sge.training.validation import ValidationClips

_logger = logging.getLogger(__name__)
# Beside the training clips, of the videos held out.
_HELD_OUT_SHARE, _HELD_OUT_STEPS = 0.1, 4


def teach(
    run: str | Path,
    videos: VideoDataset | str | Path | Sequence[str | Path],
    folder: str | Path,
    memory: MemoryConfig | None = None,
    teaching: TeachingConfig | None = None,
    *,
    name: str | None = None,
    resume: bool = False,
    verbose: int = 1,
    progress: Progress = no_progress,
) -> SGENet:
    """Puts a memory into a trained single-frame detector and teaches it by video without labels.

    The teacher is the detector on clean frames; the student, the same with the memory, sees some of them damaged and
    learns to answer the same. Nothing but the memory is trained, so on frames that show what is remembered a correction
    GRU changes nothing.

    Args:
        run: a run folder, `.keras` or `.npz` file of a network without memory.
        videos: folders and files, searched for videos; or a data set, whose labels do not count.
        folder: of the new run: `model.keras`, `config.yaml`, `log.csv`; `report.json` and `report.md` on the videos
            held out.
        memory: None for `usual_memory`.
        teaching: the budget and what is done to clips.
        name: of the new network, for files; None for the old one's with `_taught` behind.
        resume: go on from the last epoch that was written.
        verbose: of Keras' `fit`. progress: around the clips while their features are computed, and the runs of the
            report.

    Raises:
        InputError: `run` is no such network, no video can be read, or the folder holds a run already.
    """
    teaching, out = teaching or TeachingConfig(), RunFolder(folder)
    if not isinstance(videos, VideoDataset):
        sources = [videos] if isinstance(videos, (str, Path)) else videos
        teaching = dataclasses.replace(teaching, videos=tuple(str(Path(source).resolve()) for source in sources))
    keras.utils.set_random_seed(teaching.seed)
    teacher = load_model(run)
    network = with_memory(teacher.config, memory or usual_memory(teacher.config), name)
    start = TrainingConfig(start_from=str(run), freeze_detector=True)
    config = Config(network, run_data(run) or DataConfig(), start, teaching=teaching)
    if resume:
        out.check_resumable(config)
    else:
        out.check_free()
    if not isinstance(videos, VideoDataset):
        videos = UnlabelledVideos(teaching.videos, network.classes)
    for note in videos.notes:
        _logger.warning(note)
    taught, held_out = split_videos(videos, teaching)
    student = SGENet(network, freeze_detector=True)
    set_starting_weights(student, start, taught)
    _fit(student, config, out, _cached(student, taught, held_out, teaching, progress), resume, verbose)
    result = load_model(out.path)
    if teaching.report_frames:
        clips = ValidationClips(held_out, network, teaching.report_frames)
        truth = AnsweredVideos(clips, teacher, progress)
        teaching_report(teacher, result, truth, progress).write(out.path)
    return result


def _cached(
    student: SGENet, taught: VideoDataset, held_out: VideoDataset, teaching: TeachingConfig, progress: Progress
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Clips to teach with and clips to validate on, clean and damaged each, see `cache_clips`."""
    features, count = trunk(student), _clip_count(student.config, teaching)
    _logger.info("%d clips of %d videos; %d videos are held out", count, len(taught), len(held_out))
    parts = ((taught, count), (held_out, max(1, round(_HELD_OUT_SHARE * count))))
    return [
        cache_clips(videos, features, teaching, seed, number, progress) for seed, (videos, number) in enumerate(parts)
    ]


def _fit(
    student: SGENet,
    config: Config,
    out: RunFolder,
    cached: list[tuple[np.ndarray, np.ndarray]],
    resume: bool,
    verbose: int,
) -> None:
    """Trains the student's memory; the run's files are those of the last whole epoch."""
    teaching, epoch = config.teaching, 0
    model = _teaching_model(student, teaching)
    if resume:
        model.load_weights(out.teaching)
        epoch = int(model.optimizer.iterations) // teaching.steps_per_epoch
        if teaching.average is not None:
            swap_average(model)
    out.write_config(config)
    out.trim_log(epoch)
    forecast = Forecast((teaching.epochs - epoch) * teaching.steps_per_epoch, below_a_bar=verbose == 1)
    average = [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)] if teaching.average is not None else []
    model.fit(
        CachedClips(*cached[0], teaching, None, first=epoch * teaching.steps_per_epoch),
        validation_data=CachedClips(*cached[1], teaching, _HELD_OUT_STEPS),
        epochs=teaching.epochs,
        initial_epoch=epoch,
        steps_per_epoch=teaching.steps_per_epoch,
        shuffle=False,
        callbacks=[
            forecast,
            keras.callbacks.TerminateOnNaN(),
            *average,
            FiniteWeights(out),
            Log(out),
            _Checkpoint(out, student),
        ],
        verbose=verbose,
    )


def split_videos(videos: VideoDataset, teaching: TeachingConfig) -> tuple[VideoSubset, VideoSubset]:
    """The videos to teach with and those held out, drawn by `teaching.seed`, the same for the same videos."""
    if len(videos) < 2:
        raise InputError("a memory is taught by two videos at least: one of them is held out. Received: 1")
    order = np.random.default_rng([teaching.seed, 2]).permutation(len(videos)).tolist()
    held_out = min(len(videos) - 1, max(1, round(teaching.held_out * len(videos))))
    return VideoSubset(videos, sorted(order[held_out:])), VideoSubset(videos, sorted(order[:held_out]))


def taught_videos(config: Config) -> VideoSubset | None:
    """The videos that a run was taught by, without those held out; None where it was not taught, or by a data set."""
    if not config.teaching.videos:
        return None
    return split_videos(UnlabelledVideos(config.teaching.videos, config.network.classes), config.teaching)[0]


def _clip_count(network, teaching: TeachingConfig) -> int:
    """How many clips fit into `cache_gb`, those held out beside them, at most `clips`."""
    size = 2 * 2 * teaching.clip_length * int(np.prod(feature_shape(network)))
    return max(1, min(teaching.clips, int(teaching.cache_gb * 1e9 / size / (1 + _HELD_OUT_SHARE))))


def _teaching_model(network: SGENet, teaching: TeachingConfig) -> Teaching:
    values = {weight_name(weight): keras.ops.convert_to_numpy(weight) for weight in network.weights}
    student, teacher = (tail(network.config, teaching.clip_length, memory) for memory in (True, False))
    for one in (student, teacher):
        _, missing = assign_weights(one, values)
        assert not missing, f"the network lacks {missing[:4]}"
    own = topology(network.config).of_part("memory")
    for layer in student.layers:
        layer.trainable = {layer_of(weight_name(weight)) for weight in layer.weights} <= own
    model = Teaching(student, teacher, network.config, teaching.box_weight, teaching.feature_weight)
    steps = teaching.epochs * teaching.steps_per_epoch
    optimizer = keras.optimizers.Adam(
        warmup_cosine(teaching.learning_rate, steps, teaching.warmup),
        global_clipnorm=teaching.gradient_clip,
        use_ema=teaching.average is not None,
        ema_momentum=teaching.average or 0.99,
    )
    model.compile(optimizer=optimizer, jit_compile=keras.backend.backend() == "jax")
    model.optimizer.build(model.trainable_variables)
    return model


class _Checkpoint(keras.callbacks.Callback):
    """Writes the network, and what a resumed teaching goes on from, after every epoch."""

    def __init__(self, folder: RunFolder, network: SGENet):
        super().__init__()
        self._folder, self._network = folder, network

    def on_epoch_end(self, epoch, logs=None):
        student = self.model.student
        assign_weights(self._network, {weight_name(w): keras.ops.convert_to_numpy(w) for w in student.weights})
        with atomic_path(self._folder.teaching) as temporary:
            # Keras insists on the ending.
            written = Path(temporary).with_suffix(".weights.h5")
            self.model.save_weights(written)
            written.replace(temporary)
        with atomic_path(self._folder.model) as temporary:
            self._network.save(temporary)
