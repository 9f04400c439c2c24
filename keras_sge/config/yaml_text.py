"""The package's one way to read YAML: a key stands once, and 1e-3 is a number."""

from __future__ import annotations

import re
from typing import Any

import yaml

from edge.errors import InputError


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
