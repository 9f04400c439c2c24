"""The paper's tables: what every row is, and one of them made from end to end on a tiny set."""

import argparse
import dataclasses
import json

import pytest
from tiny import randomize, tiny_config

from edge.detector import Detector
from edge.errors import InputError
from keras_sge.config import MemoryConfig, load_config
from keras_sge.reproduction import run as row_run
from keras_sge.reproduction.tables import TABLES
from quantization.cli import reproduce as command_line

REDUCTION = MemoryConfig("reduction", 120, squeeze_activation="tanh")


def paper_start():
    """The paper's single-frame network, with a reduction."""
    return dataclasses.replace(load_config("mnet_ssd320").network, memory=MemoryConfig("reduction"))


def rows(table):
    return {row.name: row for row in TABLES[table].rows}


def test_temporal_parameters_of_table_1():
    from keras_sge.models.summary import summarize

    expected = {
        "LSTM": 8_407_040,
        "GRU": 6_328_320,
        "ConvGRU": 8_847_360,
        "Squeezed GRU, equations 5-7": 1_006_080,
        "Squeezed GRU + IE map": 669_184,
    }
    for name, count in expected.items():
        assert summarize(rows("table1")[name].change(paper_start())).temporal_params == count, name


def test_printed_figures_are_the_paper_s():
    printed = {name: [row.printed["map50"] for row in TABLES[name].rows if row.printed] for name in TABLES}
    assert printed["table1"] == pytest.approx([0.431, 0.463, 0.465, 0.469, 0.457, 0.468])
    assert printed["table2"] == pytest.approx([0.431, 0.425, 0.434, 0.448, 0.457, 0.452, 0.446, 0.452, 0.449])
    assert printed["table3"] == pytest.approx([0.457, 0.432, 0.443, 0.455, 0.468, 0.455, 0.451, 0.453, 0.457])
    assert rows("table1")["ConvGRU"].printed == {
        "map50": pytest.approx(0.469),
        "temporal_params": pytest.approx(29.49e6),
        "macs_per_clip": pytest.approx(24.16e9),
    }


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("start", [paper_start(), load_config("skyzoom192_single").network], ids=["320", "192"])
def test_every_row_is_a_network_of_its_own(table, start):
    networks = [row.change(start) for row in TABLES[table].rows if row.of is None]
    assert all(one != other for k, one in enumerate(networks) for other in networks[:k])
    assert len({row.name for row in TABLES[table].rows}) == len({row.folder for row in TABLES[table].rows})
    known = rows(table)
    assert all(row.of is None or (known[row.of].of is None and row.run) for row in known.values())


def test_placement_rows_keep_the_neck_and_have_all_maps():
    start = load_config("skyzoom192_single").network
    for name, row in rows("table2").items():
        network = row.change(start)
        assert len(network.extras) == 4
        assert (network.reduction is not None) == (name not in ("None", "Conv-13"))
        assert network.reduction is None or (network.reduction.filters, network.reduction.activation) == (256, "tanh")
    # The paper's has them already.
    assert rows("table2")["None"].change(paper_start()) == paper_start()


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    from keras_sge.models import SGENet
    from keras_sge.models.weights import save_weights

    path = tmp_path_factory.mktemp("start") / "single.npz"
    save_weights(randomize(SGENet(tiny_config(memory=REDUCTION, entropy=None))), path)
    return path


def reproduce(*arguments):
    parser = argparse.ArgumentParser()
    command_line.add_arguments(parser)
    return command_line.run(parser.parse_args([str(argument) for argument in arguments]))


@pytest.mark.usefixtures("eagerly")
def test_a_row_from_end_to_end(start, tiny_coco, tmp_path, caplog, monkeypatch):
    caplog.set_level("INFO", "keras_sge")
    command = ["table1", "--data", tiny_coco, "--from", start, "--clips", 2, "--quiet"]
    command += ["--out", tmp_path / "out", "--runs", tmp_path / "runs", "--freeze-until", "conv13"]
    assert reproduce(*command, "--row", "MNet-SSD, scores averaged by clip") == 0
    report = json.loads((tmp_path / "out" / "table1.json").read_text())
    # The row that it is made of comes along.
    assert [row["name"] for row in report["rows"]] == ["MNet-SSD", "MNet-SSD, scores averaged by clip"]
    for row in report["rows"]:
        assert 0 <= row["map50"] <= 1 and 0 <= row["map50_degraded"] <= 1 and row["map50_std"] is None
        assert row["label_switches"] >= 0
        assert row["temporal_params"] == 0 and row["macs_per_clip"] > 0 and row["minutes"] > 0
        assert row["latency_ratio"] == 1
    assert report["rows"][0]["printed"]["map50"] == pytest.approx(0.431) and report["rows"][1]["printed"] is None
    text = (tmp_path / "out" / "table1.md").read_text()
    assert (
        f"2 of {len(TABLES['table1'].rows)} rows so far" in text
        and "| label switches |" in text
        and "| MNet-SSD |" in text
        and str(tmp_path) not in text
    )
    assert (tmp_path / "out" / "table1.png").stat().st_size > 5000
    assert Detector(tmp_path / "runs" / "table1" / "mnet_ssd_seed1" / "step.tflite").metadata.name == "mnet_ssd"

    # Killed after its last checkpoint: it goes on there, and its file is written.
    folder = tmp_path / "runs" / "table1" / "mnet_ssd_seed1"
    written = (folder / "log.csv").read_text()
    for name in ("trained.json", "step.tflite"):
        (folder / name).unlink()
    assert reproduce(*command, "--row", "MNet-SSD") == 0
    assert (folder / "log.csv").read_text() == written and (folder / "step.tflite").is_file()
    report = json.loads((tmp_path / "out" / "table1.json").read_text())

    # What is there is not done again, and the report keeps it.
    monkeypatch.setattr(row_run, "train", lambda *_, **__: pytest.fail("trained again"))
    assert reproduce(*command, "--row", "MNet-SSD") == 0
    assert json.loads((tmp_path / "out" / "table1.json").read_text())["rows"] == report["rows"]
    assert "[1/1] MNet-SSD, seed 1" in caplog.text
    # Version 0.1 said the same protocol in other words.
    report["protocol"] = (
        report["protocol"].replace("IoU 0.5", "IoU .5").replace("half of the frames", "half of the frames spoilt")
    )
    # Seeds of an earlier report stay beside those of now.
    for row in report["rows"]:
        # Reports of before have no stability.
        del row["label_switches"], row["label_switches_by_seed"]
        row |= {"seeds": [7], "map50_by_seed": [0.5], "map50_degraded_by_seed": [0.25], "minutes_by_seed": [3.0]}
    (tmp_path / "out" / "table1.json").write_text(json.dumps(report))
    measured = report["rows"][0]["map50"]
    assert reproduce(*command, "--row", "MNet-SSD") == 0
    row, other = json.loads((tmp_path / "out" / "table1.json").read_text())["rows"]
    assert row["seeds"] == [1, 7] and row["map50_by_seed"] == [measured, 0.5]
    assert row["map50"] == pytest.approx((measured + 0.5) / 2) and row["label_switches_by_seed"][1] is None
    assert row["map50_std"] == pytest.approx(abs(measured - 0.5) / 2**0.5) and other["seeds"] == [7]
    assert "--seeds 1,7" in (tmp_path / "out" / "table1.md").read_text()
    # Another budget is another experiment: neither its runs nor its report replace these.
    other = [4 if part == 2 else part for part in command]
    with pytest.raises(InputError, match=r"another experiment: budget .*--out"):
        reproduce(*other, "--row", "MNet-SSD")
    assert row in json.loads((tmp_path / "out" / "table1.json").read_text())["rows"]
    with pytest.raises(InputError, match=r"training\.\w+"):
        reproduce(*other, "--row", "MNet-SSD", "--out", tmp_path / "other")


def test_a_run_that_was_stopped_before_its_first_checkpoint_starts_anew(start, tiny_coco, tmp_path, monkeypatch):
    calls = []

    def stopped(config, folder, resume, verbose):
        calls.append(resume)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.yaml").write_text("{}")
        raise KeyboardInterrupt

    monkeypatch.setattr(row_run, "train", stopped)
    command = ["table1", "--data", tiny_coco, "--from", start, "--clips", 2, "--row", "MNet-SSD"]
    command += ["--out", tmp_path / "out", "--runs", tmp_path / "runs", "--quiet"]
    folder = tmp_path / "runs" / "table1" / "mnet_ssd_seed1"
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            reproduce(*command)
    assert calls == [False, False] and not (folder / "trained.json").exists()
    assert json.loads((folder / "stopped.json").read_text())["minutes"] >= 0
    assert not (tmp_path / "out" / "table1.json").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--row", "GRUU"], ["'GRUU'", "Squeezed GRU"]),
        (["--seeds", "1,x"], ["--seeds", "1,x"]),
        (["--seeds", "1,1"], ["[1, 1]"]),
        (["--clips", "0"], ["1 training clip", "0"]),
        (["--from", "no.npz"], ["no.npz"]),
    ],
)
def test_mistakes_are_named(arguments, words, start, tmp_path):
    given = ["table1", "--out", tmp_path / "out", "--runs", tmp_path / "runs", "--from", start]
    with pytest.raises(InputError) as caught:
        reproduce(*given, *arguments)
    assert all(word in str(caught.value) for word in words), caught.value
    assert not list(tmp_path.iterdir())


def test_a_start_with_a_memory_is_refused(tiny_keras, tmp_path):
    with pytest.raises(InputError, match=r"network\.memory\.kind=reduction"):
        reproduce("table1", "--from", tiny_keras, "--out", tmp_path, "--runs", tmp_path)


def test_a_file_of_the_report_s_name_is_kept(start, tmp_path):
    (tmp_path / "table1.json").write_text('{"mine": 1}')
    with pytest.raises(InputError, match=r"no report .*--out"):
        reproduce("table1", "--from", start, "--out", tmp_path, "--runs", tmp_path)
    assert (tmp_path / "table1.json").read_text() == '{"mine": 1}'


def test_rows_are_listed(capsys):
    assert reproduce("table2", "--list") == 0
    assert capsys.readouterr().out.splitlines()[:3] == ["None", "Conv-3", "Conv-4"]


def test_figure_2_shows_frames(tiny_coco, tmp_path, capsys):
    assert reproduce("figure2", "--data", tiny_coco, "--pictures", 2, "--out", tmp_path / "out") == 0
    pictures = sorted((tmp_path / "out").glob("*.png"))
    assert [path.name for path in pictures] == ["figure2_1.png", "figure2_2.png"]
    assert all(path.stat().st_size > 5000 for path in pictures)
    assert "figure2_2.png" in (tmp_path / "out" / "figure2.md").read_text()
    assert str(pictures[0]) in capsys.readouterr().out
