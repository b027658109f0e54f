"""YAML as the settings use it: plain values and mappings, each key with its line; nothing is built or executed."""

import re
from pathlib import Path
from typing import Any

import yaml

from ..errors import RecipeError


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the plain scalars of YAML 1.2.

    1e-4 is a number and `yes` is a word; YAML 1.1 has it the other way round, and reads 010 as 8 and 1:30 as 90.
    """

    yaml_implicit_resolvers: dict = {}  # noqa: RUF012  # the class's own, not its parent's


NUMBER = r"[-+]?(\.[0-9]+|[0-9]+\.?[0-9]*)([eE][-+]?[0-9]+)?"

for tag, pattern, first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", NUMBER + r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "-+.0123456789"),
):
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), list(first))


def _decimal(loader: Loader, node: yaml.ScalarNode) -> int:
    return int(node.value)


def _real(loader: Loader, node: yaml.ScalarNode) -> float:
    return float(node.value.lower().replace(".inf", "inf").replace(".nan", "nan"))


Loader.add_constructor("tag:yaml.org,2002:int", _decimal)
Loader.add_constructor("tag:yaml.org,2002:float", _real)


def read_settings_file(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """A file's nested values, and the line of each key as {"gate.mode": 21}.

    Raises:
        RecipeError: a file that is missing or no such YAML, a key that stands twice, an alias.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise RecipeError(f"{path}: cannot read these settings: {reason}") from error
    node, values = _compose(text, str(path))
    if node is None:
        return {}, {}
    if not isinstance(node, yaml.MappingNode):
        raise RecipeError(f"{path}:1: expected `key: value` lines, found {text.strip().splitlines()[0][:60]!r}")
    lines: dict[str, int] = {}
    _note_lines(node, "", lines, path)
    return values, lines


def parse_value(text: str, where: str) -> Any:
    """The value of a `--set` word.

    Raises:
        RecipeError: no valid YAML.
    """
    return _compose(text, where)[1]


def _compose(text: str, where: str) -> tuple[yaml.Node | None, Any]:
    try:
        # Aliases are refused before anything is built: a recursive one never ends, nested ones fill the memory.
        for event in yaml.parse(text, Loader):
            if isinstance(event, yaml.AliasEvent):
                line = event.start_mark.line + 1
                raise RecipeError(f"{where}:{line}: settings have no aliases (*{event.anchor}): write the value out")
        loader = Loader(text)
        node = loader.get_single_node()
        return node, loader.construct_document(node) if node else None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise RecipeError(f"{where}{line}: not valid YAML: {problem}") from error
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"{where}: not valid YAML: {error}") from error


def _note_lines(mapping: yaml.MappingNode, prefix: str, lines: dict[str, int], path: Path) -> None:
    for key, value in mapping.value:
        name, line = f"{prefix}{key.value}", key.start_mark.line + 1
        if name in lines:
            raise RecipeError(f"{path}:{line}: '{name}' stands in line {lines[name]} already: keep one of the two")
        lines[name] = line
        if isinstance(value, yaml.MappingNode):
            _note_lines(value, f"{name}.", lines, path)
