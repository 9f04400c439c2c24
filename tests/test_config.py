"""Configurations: what is read, and how a mistake is named."""

from pathlib import Path

import pytest
import yaml

from edge.errors import InputError
from keras_sge.config import Config, builtin_configs, config_from_dict, config_to_dict, load_config
from keras_sge.config.config import network_from_dict
from keras_sge.config.document import format_yaml, parse_yaml

SMALL = {"network": {"name": "n", "classes": ["a", "b"]}}


def written(tmp_path, document):
    path = tmp_path / "mine.yaml"
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    return path


def refused(path, overrides=()):
    """The message, which must be one line that names the file."""
    with pytest.raises(InputError) as caught:
        load_config(path, overrides)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", sorted(builtin_configs()))
def test_builtin_configurations_load_and_round_trip(name):
    config = load_config(name)
    assert isinstance(config, Config)
    assert load_config(f"{name}.yaml") == load_config(builtin_configs()[name]) == config
    document = yaml.safe_load(yaml.safe_dump(config_to_dict(config)))
    assert config_from_dict(document) == config


def test_the_three_are_there():
    assert set(builtin_configs()) >= {"mnet_ssd320", "paper320", "quickstart"}


def test_defaults_fill_in(tmp_path):
    config = load_config(written(tmp_path, SMALL))
    assert config.network.classes == ("a", "b")
    assert config.network.memory is None and config.network.entropy is None
    assert config.network.input_size == (320, 320)


def test_whole_numbers_are_numbers(tmp_path):
    config = load_config(written(tmp_path, SMALL), ["network.alpha=1", "training.learning_rate=1"])
    assert isinstance(config.network.alpha, float) and isinstance(config.training.learning_rate, float)


def test_overrides_apply_in_order(tmp_path):
    path = written(tmp_path, SMALL)
    config = load_config(
        path,
        [
            "training.epochs=3",
            "network.memory={filters: 64, squeeze: gate}",
            "network.memory.filters=32",
            "network.classes=[x, y, z]",
            "data.path=here/there",
            "training.epochs=4",
            "training.warmup=null",
        ],
    )
    assert config.training.epochs == 4 and config.training.warmup is None
    assert (config.network.memory.filters, config.network.memory.squeeze) == (32, "gate")
    assert config.network.classes == ("x", "y", "z")
    assert config.data.path == "here/there"
    assert load_config("quickstart", ["network.memory=null"]).network.memory is None


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("trainig.epochs=3", ["trainig", "training"]),
        ("training.epoch=3", ["training.epoch", "training.epochs"]),
        ("network.memory.squeze=gate", ["network.memory.squeze", "network.memory.squeeze"]),
        ("training.augmentation.flipp=1", ["training.augmentation.flipp", "training.augmentation.flip"]),
        ("network.qqq=1", ["network.qqq", "Valid keys", "classes"]),
    ],
)
def test_unknown_keys_name_the_nearest(tmp_path, override, words):
    message = refused(written(tmp_path, SMALL), [override])
    assert all(word in message for word in words)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.epochs=three", ["training.epochs", "whole number", "'three'"]),
        ("training.epochs=3.5", ["training.epochs", "3.5"]),
        ("training.epochs=true", ["training.epochs", "True"]),
        ("training.learning_rate=1e", ["training.learning_rate", "'1e'"]),
        ("network.classes=bird", ["network.classes", "list", "'bird'"]),
        ("network.classes=[bird, 3]", ["network.classes[1]", "text", "3"]),
        ("network.input_size=[64]", ["network.input_size", "list of 2"]),
        ("network.extras=[[1, x]]", ["network.extras[0][1]", "'x'"]),
        ("network.memory=7", ["network.memory", "mapping", "7"]),
        ("network=7", ["network", "mapping", "7"]),
        ("network.name=null", ["network.name", "text"]),
    ],
)
def test_wrong_types_are_named(tmp_path, override, words):
    message = refused(written(tmp_path, SMALL), [override])
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("network.alpha=0.01", ["network.alpha", "0.01"]),
        ("network.input_size=[16, 64]", ["network.input_size", "16"]),
        ("network.name=../../n", ["network.name", "'../../n'"]),
        ("network.name=a/b", ["network.name", "'a/b'"]),
        ("network.classes=[]", ["network.classes"]),
        ("network.classes=[a, a]", ["network.classes", "distinct"]),
        ("network.anchors.sizes=[10, 20]", ["network.anchors.sizes", "7"]),
        ("network.anchors.sizes=[60, 50, 150, 195, 240, 285, 330]", ["network.anchors.sizes", "ascend"]),
        ("network.anchors.ratios=[0.5]", ["network.anchors.ratios"]),
        ("network.memory={kind: lstm9}", ["network.memory.kind", "squeezed_gru", "lstm9"]),
        ("network.memory={squeeze: both}", ["network.memory.squeeze", "input, gate", "both"]),
        ("network.memory={filters: 0}", ["network.memory.filters", "0"]),
        ("network.entropy={window: 4}", ["network.entropy.window", "4"]),
        ("network.entropy={border: wrap}", ["network.entropy.border", "wrap"]),
        ("network.entropy={opening: 2}", ["network.entropy.opening", "2"]),
        ("training.epochs=0", ["training.epochs", "0"]),
        ("training.batch_size=-1", ["training.batch_size", "-1"]),
        ("training.learning_rate=0", ["training.learning_rate"]),
        ("training.augmentation.flip=2", ["training.augmentation.flip", "2"]),
        ("training.augmentation.zoom=[2, 1]", ["training.augmentation.zoom"]),
        ("training.augmentation.damage=[often]", ["training.augmentation.damage", "singly, bursts, all", "often"]),
        ("training.augmentation.damage=[]", ["training.augmentation.damage", "at least"]),
        ("data.fold=4", ["data.fold", "0 to 3", "4"]),
        ("data.folds=9", ["data.folds", "2 to 8", "9"]),
    ],
)
def test_values_out_of_range_are_named(tmp_path, override, words):
    message = refused(written(tmp_path, SMALL), [override])
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({}, ["missing key network"]),
        ("", ["missing key network"]),
        ({"network": {"name": "n"}}, ["missing key network.classes"]),
        ("- 1\n- 2\n", ["mapping"]),
        ("just text", ["mapping", "just text"]),
        ("network: [1\n", ["not readable YAML"]),
        ("network:\n\tname: x\n", ["not readable YAML"]),
    ],
)
def test_broken_files_are_named(tmp_path, document, words):
    message = refused(written(tmp_path, document))
    assert all(word in message for word in words), message


NUMBERS = {"5e-4": 5e-4, "1e-3": 1e-3, "1E3": 1e3, "+.5e+1": 5.0, "3.e2": 300.0, "2.5e-1": 0.25, "7": 7.0}


@pytest.mark.parametrize("text", NUMBERS)
def test_numbers_may_be_written_as_everybody_does(tmp_path, text):
    document = f"network: {{name: n, classes: [a, 5e3x]}}\ntraining:\n  learning_rate: {text}\n"
    assert load_config(written(tmp_path, document)).training.learning_rate == NUMBERS[text]
    set_by_hand = load_config(written(tmp_path, SMALL), [f"training.learning_rate={text}"])
    assert set_by_hand.training.learning_rate == NUMBERS[text]


def test_text_that_looks_like_a_number_comes_back_as_text():
    document = {"path": "5e-4", "other": "1e3", "rate": 5e-4, "list": ["1E5", 3, None, True]}
    assert parse_yaml(format_yaml(document), "x") == document


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (
            "network: {name: n, classes: [a]}\ntraining:\n  epochs: 3\n  seed: 1\n  epochs: 4\n",
            ["epochs", "lines 3 and 5"],
        ),
        ("network: {name: n, classes: [a]}\ntraining: {seed: 2}\ntraining: {seed: 3}\n", ["training", "lines 2 and 3"]),
        ("network: {name: n, 'name': m, classes: [a]}\n", ["name", "line 1"]),
    ],
)
def test_a_key_that_stands_twice_is_named(tmp_path, document, words):
    message = refused(written(tmp_path, document))
    assert "twice" in message and all(word in message for word in words), message


def test_a_key_that_stands_twice_in_an_override_is_named(tmp_path):
    with pytest.raises(InputError, match=r"training=.*seed stands twice"):
        load_config(written(tmp_path, SMALL), ["training={seed: 1, seed: 2}"])


def test_what_is_merged_may_be_written_over(tmp_path):
    document = "network: {name: n, classes: [a]}\ntraining: &all {seed: 5, epochs: 2}\n"
    path = written(tmp_path, document.replace("training: &all", "training: {<<: {seed: 3, epochs: 2}, seed: 5}\n#"))
    assert load_config(path).training.seed == 5


def test_a_byte_order_mark_is_no_content(tmp_path):
    path = written(tmp_path, SMALL)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_config(path).network.name == "n"


def test_the_input_size_says_which_side_is_which(tmp_path):
    network = load_config(written(tmp_path, SMALL), ["network.input_size=[192, 320]"]).network
    assert network.size_text == "320 wide, 192 high"
    assert network.turned_from(1080, 1920) and not network.turned_from(1920, 1080)
    assert not network.turned_from(512, 512)


def test_binary_file_is_named(tmp_path):
    path = tmp_path / "binary.yaml"
    path.write_bytes(bytes(range(128, 256)))
    assert "not readable YAML" in refused(path)


@pytest.mark.parametrize("override", ["training.epochs", "network.classes=[a", "=3"])
def test_broken_overrides_are_named(tmp_path, override):
    with pytest.raises(InputError):
        load_config(written(tmp_path, SMALL), [override])


@pytest.mark.parametrize("override", ["training.epochs=3", "training=3"])
def test_overriding_what_is_no_mapping(tmp_path, override):
    assert "mapping" in refused(written(tmp_path, "- 1\n"), [override])


def test_missing_configuration_names_the_nearest():
    with pytest.raises(InputError, match="quickstart"):
        load_config("quickstrat")
    with pytest.raises(InputError, match=r"nowhere/mine\.yaml"):
        load_config("nowhere/mine.yaml")


FORMER = """
network:
  name: n
  classes: [a]
  memory: {kind: lstm, filters: 128, place: conv12}
  entropy: {place: conv12, form: mean_keeping}
  neck: {filters: 64}
training:
  augmentation: {colour: 0.2}
data: {path: sky, development_sources: 25}
"""
PRESENT = """
network:
  name: n
  classes: [a]
  memory: {kind: lstm, filters: 128, attach_to: conv12}
  entropy: {attach_to: conv12, gain: 2}
  reduction: {filters: 64}
training:
  augmentation: {color: 0.2}
data: {path: sky, fold: 0, folds: 4}
"""


def test_former_keys_still_load_and_a_warning_names_the_present_ones(tmp_path, caplog):
    path = tmp_path / "former.yaml"
    path.write_text(FORMER)
    config, warned = load_config(path), caplog.messages.copy()
    caplog.clear()
    assert config == config_from_dict(yaml.safe_load(PRESENT)) and not caplog.messages
    assert warned == [
        f"{path}: {text}"
        for text in (
            "network.memory.place is now called network.memory.attach_to",
            "network.entropy.place is now called network.entropy.attach_to",
            "network.entropy.form is now called network.entropy.gain",
            "network.neck is now called network.reduction",
            "training.augmentation.colour is now called training.augmentation.color",
            "data.development_sources is now called data.fold",
            "network.entropy.gain: mean_keeping is now 2",
        )
    ]


def test_an_override_may_use_a_former_key():
    network = load_config("quickstart", ["network.memory={kind: neck}", "network.entropy.form=mean_keeping"]).network
    assert (network.memory.kind, network.memory.filters, network.entropy.gain) == ("reduction", 256, 2)
    both = {"name": "n", "classes": ["a"], "memory": {"place": "conv3", "attach_to": "conv4"}}
    with pytest.raises(InputError, match=r"network\.memory\.place is the former name of network\.memory\.attach_to"):
        config_from_dict({"network": both})


@pytest.mark.parametrize(
    ("value", "fold", "refused"), [("25", 0, None), ("0", None, None), ("-1", None, "-1"), ("many", None, "many")]
)
def test_any_number_of_development_recordings_is_the_first_fold(value, fold, refused):
    override = [f"data.development_sources={value}"]
    if refused:
        with pytest.raises(InputError, match=rf"data\.fold.*{refused}"):
            load_config("quickstart", override)
    else:
        assert load_config("quickstart", override).data.fold == fold


def test_networks_stored_with_former_keys_load_without_a_word(caplog):
    former = yaml.safe_load(FORMER)["network"]
    assert network_from_dict(former) == network_from_dict(yaml.safe_load(PRESENT)["network"])
    assert not caplog.messages and former["memory"]["place"] == "conv12"


def test_shipped_weights_are_found_from_any_configuration(folder):
    """A copy of a built-in configuration starts as that one does; what lies nearer comes first."""
    shipped = builtin_configs()["quickstart"]
    (folder / "mine.yaml").write_text(shipped.read_text())
    assert load_config("mine.yaml") == load_config("quickstart")
    assert load_config("mine.yaml").training.start_from == str((shipped.parent / "quickstart_start.npz").resolve())
    (folder / "quickstart_start.npz").write_text("mine")
    assert load_config("mine.yaml").training.start_from == str(folder / "quickstart_start.npz")
    assert load_config("mine.yaml", ["training.start_from=none.npz"]).training.start_from == "none.npz"


def test_another_data_set_changes_nothing_else():
    config = load_config("quickstart")
    assert config.with_data(None) is config
    other = config.with_data(Path("data") / "mine")
    assert other.data.path == "data/mine" and other.network == config.network
