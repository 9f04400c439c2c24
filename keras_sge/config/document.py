"""A configuration's document: YAML in and out, and older keys as today's.

A key stands once, 1e-3 is a number, and what was written before a key had its present name still loads.
"""

from __future__ import annotations

import logging
import re
from typing import Any

import yaml

from edge.errors import InputError

_logger = logging.getLogger(__name__)
# Former key -> the present one, dotted; and where values had other names, former value -> the present one.
_RENAMED_KEYS = {
    "network.memory.place": "network.memory.attach_to",
    "network.entropy.place": "network.entropy.attach_to",
    "network.entropy.form": "network.entropy.gain",
    "network.neck": "network.reduction",
    "training.augmentation.colour": "training.augmentation.color",
    "data.development_sources": "data.fold",
}
_RENAMED_VALUES = {
    "network.memory.kind": {"neck": "reduction"},
    "network.entropy.gain": {"literal": 1, "mean_keeping": 2},
}


class _Loader(yaml.SafeLoader):
    """`SafeLoader` that refuses a key that stands twice in one mapping, where YAML takes the last one silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        first: dict[tuple[str, str], yaml.Node] = {}
        for key, _ in node.value:
            # What `<<` merges may be written over: that is what it is for.
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            other = first.setdefault((key.tag, key.value), key)
            if other is not key:
                places = [f"{one.start_mark.line + 1}" for one in (other, key)]
                where = f"lines {places[0]} and {places[1]}" if places[0] != places[1] else f"line {places[0]}"
                raise InputError(f"the key {key.value} stands twice, in {where}. Remove one of them.")
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """`SafeDumper` that quotes text that `_Loader` would read as a number."""


# YAML 1.1, which PyYAML reads, wants a dot and a sign: 1.0e-3. YAML 1.2 and everybody else does not.
yaml.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
    _Loader,
    _Dumper,
)


def parse_yaml(text: str, source: str) -> Any:
    """The document that `text` holds, None for an empty one.

    Args:
        text: YAML; of numbers as YAML 1.2 writes them. source: names it in errors, such as a file's path.

    Raises:
        InputError: no YAML, or a key stands twice in one mapping; the message names `source`, key and lines.
    """
    try:
        return yaml.load(text, _Loader)
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{source} is not readable YAML: {' '.join(str(error).split())}") from error


def format_yaml(document: Any) -> str:
    """YAML that `parse_yaml` reads as `document`: mappings in their order, lists, text, numbers, booleans, None."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False)


def format_value(value: Any) -> str:
    """A value in one line, as `parse_yaml` reads it behind a key."""
    text = yaml.dump(value, Dumper=_Dumper, sort_keys=False, default_flow_style=True, width=float("inf"))
    return text.removesuffix("\n").removesuffix("\n...")


def flattened(document: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested mapping as one level with dotted keys, each behind `prefix`."""
    result: dict[str, Any] = {}
    for key, value in document.items():
        name = f"{prefix}{key}"
        result |= flattened(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return result


def migrate(document: Any, source: str | None, root: str = "") -> Any:
    """The document with former keys and values under their present names; what is no mapping stays as it is.

    Args:
        document: nested mappings; a copy is changed. source: named in a warning for each former name; None for
            documents that programs wrote, which say nothing. root: dotted key of the document in a whole configuration.

    Raises:
        InputError: a former key stands beside the present one.
    """
    document = _copied(document)
    prefix = f"{root}." if root else ""
    for old, new in _RENAMED_KEYS.items():
        if not old.startswith(prefix):
            continue
        parent, old_name = _parent(document, old.removeprefix(prefix))
        if parent is None or old_name not in parent:
            continue
        new_name = new.rpartition(".")[2]
        if new_name in parent:
            raise InputError(f"{old} is the former name of {new}, and both are set. Remove {old}.")
        # In the same place, so that a rewritten file reads as before.
        if old == "data.development_sources":
            parent[old_name] = _fold(parent[old_name])
        items = [(new_name if name == old_name else name, value) for name, value in parent.items()]
        parent.clear()
        parent.update(items)
        if source is not None:
            _logger.warning("%s: %s is now called %s", source, old, new)
    for key, names in _RENAMED_VALUES.items():
        parent, name = _parent(document, key.removeprefix(prefix)) if key.startswith(prefix) else (None, "")
        value = None if parent is None else parent.get(name)
        if isinstance(value, str) and value in names:
            parent[name] = names[value]
            if source is not None:
                _logger.warning("%s: %s: %s is now %s", source, key, value, names[value])
    return document


def _fold(sources: Any) -> Any:
    """How many recordings were kept apart, as the fold that is: the first one, or none. The rest fails validation."""
    return None if sources == 0 else 0 if isinstance(sources, int) and sources > 0 else sources


def _copied(document: Any) -> Any:
    return {key: _copied(value) for key, value in document.items()} if isinstance(document, dict) else document


def _parent(document: Any, key: str) -> tuple[dict[str, Any] | None, str]:
    """The mapping that would hold a dotted key, None where there is none, and the key's last part."""
    *parents, name = key.split(".")
    for parent in parents:
        document = document.get(parent) if isinstance(document, dict) else None
    return (document if isinstance(document, dict) else None), name
