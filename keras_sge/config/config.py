"""One experiment's configuration, read from YAML into frozen, validated objects."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.errors import InputError
from keras_sge.config.document import migrate, parse_yaml
from keras_sge.config.network import NetworkConfig
from keras_sge.config.teaching import TeachingConfig
from keras_sge.config.training import DataConfig, QatConfig, TrainingConfig


@dataclass(frozen=True)
class Config:
    """One experiment: the network, its data, its training, its teaching by unlabelled video and its quantization-aware
    fine-tuning."""

    network: NetworkConfig
    data: DataConfig = field(default_factory=DataConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    qat: QatConfig = field(default_factory=QatConfig)
    teaching: TeachingConfig = field(default_factory=TeachingConfig)

    def with_data(self, path: str | Path | None) -> Config:
        """The same experiment on another data set's directory, `data.path`; None leaves it as it is."""
        return self if path is None else dataclasses.replace(self, data=dataclasses.replace(self.data, path=str(path)))

    def __post_init__(self):
        if self.training.freeze_detector and not self.network.recurrent:
            raise InputError(
                "training.freeze_detector trains the memory alone, and the network has none. Set network.memory, or "
                "training.freeze_detector=false."
            )


def load_config(name: str | Path, overrides: typing.Sequence[str] = ()) -> Config:
    """Reads a configuration.

    Args:
        name: a YAML file, or the bare name of a configuration that comes with the package, such as `quickstart`.
        overrides: `key.path=value` settings applied on top, values in YAML: `training.epochs=3`.

    Raises:
        InputError: no such file, no YAML, an unknown key, a wrong type or a value out of range; the message names the
            file, the key and, for an unknown key, the nearest valid one.
    """
    path = config_path(name)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not readable YAML: {error}") from error
    document = parse_yaml(text, str(path))
    document = migrate({} if document is None else document, str(path))
    for override in overrides if isinstance(document, dict) else ():
        _override(document, override)
    config = config_from_dict(document, str(path))
    start = config.training.start_from
    # A configuration may bring the weights it starts from, and the package brings some.
    beside, shipped = (folder / (start or "") for folder in (path.parent, builtin_configs()["quickstart"].parent))
    if start and (beside.exists() or (shipped.exists() and not Path(start).exists())):
        found = beside if beside.exists() else shipped
        training = dataclasses.replace(config.training, start_from=str(found.resolve()))
        config = dataclasses.replace(config, training=training)
    return config


def config_path(name: str | Path) -> Path:
    """The file behind a path or a built-in name; InputError when there is neither."""
    path = Path(name)
    if path.is_file():
        return path
    names = builtin_configs()
    if path.name == str(name) and path.stem in names and path.suffix in ("", ".yaml"):
        return names[path.stem]
    close = difflib.get_close_matches(path.stem, names, 1)
    hint = f" Did you mean {close[0]}?" if close else ""
    raise InputError(f"no configuration {name}: not a file, and not one of {', '.join(names)}.{hint}")


def builtin_configs() -> dict[str, Path]:
    """Name -> file of the configurations that come with the package."""
    from importlib import resources

    folder = resources.files("keras_sge.configs")
    files = sorted(Path(str(item)) for item in folder.iterdir())
    return {file.stem: file for file in files if file.suffix == ".yaml"}


def config_from_dict(document: Any, source: str = "configuration") -> Config:
    """Validates a nested mapping, former keys included; `source` names it in errors."""
    try:
        return validate(Config, migrate(document, source), "")
    except InputError as error:
        raise InputError(f"{source}: {error}") from error


def with_overrides(config: Config, overrides: typing.Sequence[str]) -> Config:
    """The same configuration with `key.path=value` settings applied, see `load_config`."""
    document = config_to_dict(config)
    for override in overrides:
        _override(document, override)
    return config_from_dict(document)


def network_from_dict(document: Any) -> NetworkConfig:
    """The network of a mapping that `config_to_dict` made, today or before keys had their present names.

    Raises:
        InputError: not one of ours.
    """
    return validate(NetworkConfig, migrate(document, None, "network"), "network")


def config_to_dict(config: Any) -> dict[str, Any]:
    """The plain mapping of a configuration (or of a part of one), lists for tuples, as YAML and JSON write it."""
    return _plain(dataclasses.asdict(config))


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _override(document: dict[str, Any], text: str) -> None:
    """Sets what `key.path=value` says; the key may be a former one."""
    key, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"an override is key.path=value. Received: {text!r}")
    names = key.strip().split(".")
    change = parse_yaml(value, f"the override {text!r}")
    for name in reversed(names):
        change = {name: change}
    change = migrate(change, f"the override {text!r}")
    for level, _ in enumerate(names, start=1):
        ((name, change),) = change.items()
        if level == len(names):
            document[name] = change
        elif not isinstance(document.get(name), dict):
            document[name] = {}
        document = document[name]


def validate(kind: Any, value: Any, key: str) -> Any:
    """`value` as the type `kind` (a dataclass, tuple, optional or scalar); `key` is its dotted path in errors."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        given = [argument for argument in arguments if argument is not type(None)]
        # Of text or a list of texts, what was given decides.
        lists = isinstance(value, (list, tuple))
        return validate(next((a for a in given if lists == (typing.get_origin(a) is tuple)), given[0]), value, key)
    if dataclasses.is_dataclass(kind):
        return _validate_mapping(kind, value, key)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise InputError(f"{key} must be a list. Received: {value!r}")
        if arguments[-1] is ...:
            return tuple(validate(arguments[0], item, f"{key}[{i}]") for i, item in enumerate(value))
        if len(value) != len(arguments):
            raise InputError(f"{key} must be a list of {len(arguments)}. Received: {value!r}")
        return tuple(validate(a, item, f"{key}[{i}]") for i, (a, item) in enumerate(zip(arguments, value, strict=True)))
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise InputError(f"{key} must be {_TYPE_NAMES[kind]}. Received: {value!r}")
    return value


_TYPE_NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


def _validate_mapping(kind: Any, value: Any, key: str) -> Any:
    if not isinstance(value, dict):
        raise InputError(f"{key or 'the file'} must be a mapping of settings. Received: {value!r}")
    hints = typing.get_type_hints(kind)
    prefix = f"{key}." if key else ""
    for name in value:
        if name not in hints:
            close = difflib.get_close_matches(str(name), hints, 1, cutoff=0.5)
            hint = f"Did you mean {prefix}{close[0]}?" if close else f"Valid keys: {', '.join(hints)}."
            raise InputError(f"unknown key {prefix}{name}. {hint}")
    for entry in dataclasses.fields(kind):
        required = entry.default is dataclasses.MISSING and entry.default_factory is dataclasses.MISSING
        if required and entry.name not in value:
            raise InputError(f"missing key {prefix}{entry.name}.")
    return kind(**{name: validate(hints[name], item, prefix + name) for name, item in value.items()})
