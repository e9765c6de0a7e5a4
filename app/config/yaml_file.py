"""The settings file: its keys with their lines and the text of their values."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import yaml


class Entry(NamedTuple):
    """One key of the file."""

    line: int
    key: str
    """Empty where the key is not text."""
    texts: str | tuple[str, ...] | None
    """One value, a list of them, or None for anything deeper."""


def read(path: str) -> list[Entry]:
    """The entries in the order of the file, keys that are given twice included.

    Values stay text, to be parsed as those of flags are: YAML by itself reads `no` as false and 12:30 as 750.
    Raises ValueError with what is wrong where the file cannot be read or is no YAML mapping.
    """
    try:
        root = yaml.compose(Path(path).read_bytes(), Loader=yaml.SafeLoader)
    except OSError as error:
        raise ValueError(f"cannot read {path!r} ({error.strerror}); give the path of a readable YAML file") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{path!r} is not valid YAML: {' '.join(str(error).split())}") from None
    if root is None or root.value == "":
        return []
    if not isinstance(root, yaml.MappingNode):
        raise ValueError(f"{path!r} is not a mapping of settings, such as `max_series: 64`")
    return [
        Entry(key.start_mark.line + 1, key.value if isinstance(key, yaml.ScalarNode) else "", _texts(value))
        for key, value in root.value
    ]


def _texts(node: yaml.Node) -> str | tuple[str, ...] | None:
    if isinstance(node, yaml.ScalarNode):
        return str(node.value)
    if isinstance(node, yaml.SequenceNode) and all(isinstance(item, yaml.ScalarNode) for item in node.value):
        return tuple(item.value for item in node.value)
    return None
