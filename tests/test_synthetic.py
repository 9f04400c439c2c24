from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from edge.errors import InputError
from keras_sge.data.figures import contact_sheet
from keras_sge.data.synthetic import SyntheticSky, actors, casting, synthetic_sky, track
from keras_sge.data.synthetic.painter import draw

SKY = np.array([200.0, 170.0, 140.0])


def forget():
    """Drops what was made before, so that a video is made anew."""
    synthetic_sky._film.cache_clear()
    synthetic_sky._labels.cache_clear()


def flat(labels):
    return np.concatenate([np.column_stack([frame.boxes, frame.classes, frame.tracks]) for frame in labels])


def flights(name, count=40, frames=30, extent=0.3):
    """Tracks of one class that pass the middle of a 128 x 128 frame, seen by a camera that stands still."""
    for number in range(count):
        rng = np.random.default_rng([7, number])
        class_index = casting.CLASSES.index(name)
        yield casting._track(rng, class_index, frames, 128, extent, frames / 2, np.array([0.5, 0.5]), 0.0, SKY)


@pytest.fixture(scope="module")
def dataset():
    return SyntheticSky(videos=150, seed=11)


@pytest.fixture(scope="module")
def all_labels(dataset):
    return [dataset.labels(index) for index in range(len(dataset))]


def test_frames_and_labels_are_the_same_for_every_instance():
    first = SyntheticSky(videos=6, frames=12, size=96, seed=5)
    before = [(first.read(i), flat(first.labels(i))) for i in range(6)]
    forget()
    second = SyntheticSky(videos=9, frames=12, size=96, seed=5)
    for i in reversed(range(6)):
        np.testing.assert_array_equal(flat(second.labels(i)), before[i][1])
        np.testing.assert_array_equal(second.read(i), before[i][0])


def test_slices_equal_the_whole(dataset):
    for index in range(6):
        whole = dataset.read(index)
        assert whole.shape == (30, 128, 128, 3) and whole.dtype == np.uint8
        forget()
        np.testing.assert_array_equal(dataset.read(index, 11, 17), whole[11:17])
        np.testing.assert_array_equal(dataset.read(index, 25), whole[25:])
        np.testing.assert_array_equal(dataset.read(index, 28, 99), whole[28:])
    assert dataset.read(0, 4, 4).shape == (0, 128, 128, 3)


def test_threads_read_the_same_frames():
    dataset = SyntheticSky(videos=4, frames=8, size=64, seed=3)
    expected = [dataset.read(i) for i in range(4)]
    forget()
    jobs = [(i, start) for start in range(0, 8, 2) for i in range(4)] * 3
    with ThreadPoolExecutor(8) as pool:
        clips = list(pool.map(lambda job: dataset.read(job[0], job[1], job[1] + 2), jobs))
    for (index, start), clip in zip(jobs, clips, strict=True):
        np.testing.assert_array_equal(clip, expected[index][start : start + 2])


def test_seeds_and_videos_differ():
    first, second = SyntheticSky(videos=2, seed=0), SyntheticSky(videos=2, seed=1)
    assert first.videos[0].name != second.videos[0].name
    for a, b in ((first.read(0), second.read(0)), (first.read(0), first.read(1))):
        assert np.abs(a.astype(int) - b).mean() > 5


def test_videos_describe_themselves(dataset):
    video = dataset.videos[4]
    assert (video.id, video.name, video.length, video.fps) == (5, "synthetic_11_00004", 30, 30.0)
    assert dataset.classes == ("airplane", "bird", "drone", "helicopter")


def test_labels_are_well_formed(all_labels):
    for labels in all_labels:
        assert len(labels) == 30
        for frame in labels:
            boxes = frame.boxes
            assert boxes.dtype == np.float32 and boxes.shape == (len(frame.classes), 4)
            assert frame.classes.dtype == frame.tracks.dtype == np.int32
            assert (boxes >= 0).all() and (boxes <= 128).all()
            assert (boxes[:, 2:] - boxes[:, :2] > 1).all()
            assert len(set(frame.tracks.tolist())) == len(frame.tracks)
            assert not boxes.flags.writeable


def test_a_track_keeps_its_class(all_labels):
    for labels in all_labels:
        pairs = {(t, c) for frame in labels for t, c in zip(frame.tracks.tolist(), frame.classes.tolist(), strict=True)}
        assert len(pairs) == len({t for t, _ in pairs})


def test_shares_of_classes_sizes_and_empty_frames(all_labels):
    frames = [frame for labels in all_labels for frame in labels]
    classes = np.concatenate([frame.classes for frame in frames])
    assert (np.bincount(classes, minlength=4) / len(classes) > 0.12).all()
    assert 0.03 < np.mean([len(frame.classes) == 0 for frame in frames]) < 0.13
    assert 0.05 < np.mean([len(frame.classes) > 1 for frame in frames]) < 0.35
    boxes = np.concatenate([frame.boxes for frame in frames])
    extents = np.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])) / 128
    assert 0.3 < extents.mean() < 0.42
    assert np.quantile(extents, 0.1) < 0.28 and np.quantile(extents, 0.95) > 0.5


@pytest.mark.parametrize("size", [64, 128, 320])
def test_boxes_are_tight_around_the_drawn_outline(size):
    """Draws each labelled object alone and sharp, and compares its mask with its box; cut ones included."""
    dataset = SyntheticSky(videos=40, frames=12, size=size, seed=8)
    compared = cut = 0
    for index in range(40):
        film = synthetic_sky._film(8, index, 12, size)
        for frame, labels in enumerate(dataset.labels(index)):
            for box, number in zip(labels.boxes, labels.tracks, strict=True):
                sharp = replace(film.tracks[number], softness=0.0, smear=np.zeros((12, 2)))
                layer, (left, top) = draw(sharp, frame, size)
                # Translucent rotors count; what covers a twentieth of a pixel does not.
                rows, columns = np.nonzero(layer[..., 3] > 12)
                mask = [columns.min() + left, rows.min() + top, columns.max() + left + 1, rows.max() + top + 1]
                assert np.abs(box - mask).max() <= 1.5, (index, frame, box, mask)
                compared += 1
                cut += bool((box == 0).any() or (box == size).any())
    assert compared > 300 and cut > 20


def test_objects_are_seen_where_the_boxes_are(dataset, all_labels):
    """A box holds more contrast than the same box half a frame away, in nearly all clean frames."""
    clearer = []
    for index in range(40):
        picture = dataset.read(index, 15, 16)[0].astype(np.float32).mean(-1)
        for x1, y1, x2, y2 in all_labels[index][15].boxes.astype(int):
            elsewhere = np.roll(picture, 64, 1)
            clearer.append(picture[y1:y2, x1:x2].std() > elsewhere[y1:y2, x1:x2].std())
    assert np.mean(clearer) > 0.7


def test_nearly_hidden_objects_are_not_labelled():
    outline = [np.array([[0, 0], [10, 0], [10, 10], [0, 10]], np.float32)]

    def share(offset=0.0, hidden=lambda points: np.zeros(len(points), bool), nearer=()):
        shifted = [hull + np.float32([offset, 0]) for hull in outline]
        return track.visible_share(shifted, np.float32([offset, 0, offset + 10, 10]), 64, hidden, nearer)

    assert share() == 1
    assert share(offset=-7.5) == pytest.approx(0.25, abs=0.05)
    assert share(hidden=lambda points: points[:, 1] > 2) == pytest.approx(0.2, abs=0.05)
    assert share(nearer=[outline[0] + np.float32([6, 0])]) == pytest.approx(0.6, abs=0.05)
    assert share(nearer=outline) == 0


def test_a_hidden_object_loses_its_label(monkeypatch):
    dataset = SyntheticSky(videos=3, frames=4, size=64, seed=0)
    forget()
    assert sum(len(frame.boxes) for i in range(3) for frame in dataset.labels(i)) > 0
    forget()
    monkeypatch.setattr(synthetic_sky.Scene, "may_hide", lambda *_: True)
    monkeypatch.setattr(synthetic_sky.Scene, "hidden", lambda _, points, __: np.ones(len(points), bool))
    assert sum(len(frame.boxes) for i in range(3) for frame in dataset.labels(i)) == 0
    forget()


def test_airplanes_are_faster_than_all_others():
    def speed(name):
        # A part of the body, as a wing beat moves the box's middle.
        centers = [t.points[10:20, t.parts[-1]].mean(1) for t in flights(name)]
        return np.mean([np.hypot(*(c[5:] - c[:-5]).T).mean() / 5 for c in centers])

    speeds = {name: speed(name) for name in casting.CLASSES}
    assert speeds["airplane"] > 1.5 * max(speeds["bird"], speeds["helicopter"], speeds["drone"])
    assert speeds["airplane"] > 2.5 * speeds["drone"]


def test_birds_beat_their_wings_in_five_to_ten_frames():
    def heights(name):
        return [t.bounds[:, 3] - t.bounds[:, 1] for t in flights(name, frames=120, extent=0.17)]

    def swing(name):
        return np.median([np.ptp(h) / h.mean() for h in heights(name)])

    assert swing("bird") > 4 * max(swing("airplane"), swing("helicopter"))
    inside = []
    for height in heights("bird"):
        power = np.abs(np.fft.rfft(height - height.mean())) ** 2
        frequency = np.fft.rfftfreq(len(height))
        # A beat shows as itself, and as twice itself since both ends of it are high; bouts of gliding are slower.
        beat = (frequency > 1 / 11) & (frequency < 2 / 4.9)
        inside.append(power[beat].sum() / power[frequency > 1 / 15].sum())
    assert np.median(inside) > 0.85


@pytest.mark.parametrize("make", [actors.drone, actors.helicopter])
def test_rotors_flicker(make):
    actor = make(np.random.default_rng(0), 60, 1.0)
    rotor = actor.parts[0].opacity
    assert rotor.std() > 0.08 and rotor.min() > 0.1 and rotor.max() <= 1


def test_wings_of_an_airplane_are_rigid():
    actor = actors.airplane(np.random.default_rng(0), 10, 0.0)
    assert np.ptp(actor.points, 0).max() == 0
    assert all((part.opacity == 1).all() for part in actor.parts)


@pytest.mark.parametrize("size", [64, 640])
def test_extreme_sizes(size):
    dataset = SyntheticSky(videos=4, frames=3, size=size, seed=1)
    for index in range(4):
        assert dataset.read(index).shape == (3, size, size, 3)


@pytest.mark.parametrize("wrong", [{"size": 32}, {"frames": 0}, {"videos": 0}, {"seed": -1}])
def test_wrong_arguments_are_named(wrong):
    name, value = next(iter(wrong.items()))
    with pytest.raises(InputError, match=f"`{name}`.*Received: {name}={value}"):
        SyntheticSky(**wrong)


def test_unknown_video():
    dataset = SyntheticSky(videos=2)
    with pytest.raises(IndexError):
        dataset.read(2)
    with pytest.raises(IndexError):
        dataset.labels(2)


def test_contact_sheet_has_a_cell_for_every_frame():
    dataset = SyntheticSky(videos=3, frames=10, size=64, seed=0)
    sheet = contact_sheet(dataset, [0, 2], [range(0, 10, 2)] * 2, scale=1.5)
    assert sheet.dtype == np.uint8 and sheet.shape == (2 * 98 - 2, 5 * 98 - 2, 3)
    assert (sheet[96:98] == 255).all()
    each_own = contact_sheet(dataset, [0, 2], [[0, 2, 4, 6, 8], [1, 2, 4, 6, 8]], scale=1.5)
    np.testing.assert_array_equal(each_own[:96], sheet[:96])
    assert (each_own[98:, :96] != sheet[98:, :96]).any()
    with pytest.raises(InputError, match="Received"):
        contact_sheet(dataset, [0, 2], [[0, 1]])
