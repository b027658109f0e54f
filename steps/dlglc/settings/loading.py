"""Read settings: conf/<idea>.yaml, then the chain of `base:` files that ends in the user's, then `--set` words."""

from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import yaml
from pydantic import ValidationError

from ..errors import RecipeError
from ..files import write_text
from .messages import explain
from .reading import parse_value, read_settings_file
from .schema import Settings

CONF = Path(__file__).resolve().parents[3] / "conf"

Wanted = TypeVar("Wanted", bound=Settings)


class Change(NamedTuple):
    """A setting that differs from its default.

    Attributes:
        key: dotted, e.g. "gate.mode".
        value, default: as YAML reads them.
        where: file and line, or the `--set` word.
    """

    key: str
    value: Any
    default: Any
    where: str


def load_settings(schema: type[Wanted], path: str | Path | None = None, words: list[str] | None = None) -> Wanted:
    """Merge and check the settings of one idea.

    Args:
        schema: class of the settings, e.g. DinoSettings.
        path: the user's file, or None for the defaults.
        words: "key=value", "section.key=value" or "idea.section.key=value", the values in YAML; later ones win.

    Raises:
        RecipeError: a file that is not readable, a key that is not known, a value that is not allowed, settings that
            exclude each other. It names file, line, key, value, what is allowed and the nearest valid word.
    """
    values, origins = _merged(schema, path, words or [])
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        raise RecipeError(explain(error, schema, origins)) from None


def save_settings(settings: Settings, path: Path) -> None:
    """Write merged settings beside what they made."""
    write_text(path, yaml.safe_dump(settings.model_dump(), sort_keys=False, allow_unicode=True))


def changes(schema: type[Settings], path: str | Path | None, words: list[str]) -> list[Change]:
    """The settings that differ from conf/<idea>.yaml, in the order of that file.

    Raises:
        RecipeError: as load_settings.
    """
    load_settings(schema, path, words)
    defaults, _ = read_settings_file(CONF / f"{schema.idea}.yaml")
    values, origins = _merged(schema, path, words)
    before, after = _leaves(defaults), _leaves(values)
    return [
        Change(key, value, before.get(key), origins[key])
        for key, value in after.items()
        if key not in before or before[key] != value
    ]


def _merged(schema: type[Settings], path: str | Path | None, words: list[str]) -> tuple[dict, dict[str, str]]:
    """All values in one nested dict, and where each key was set last."""
    root = CONF / f"{schema.idea}.yaml"
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for file in [root, *(_chain(Path(path), root) if path else [])]:
        read, lines = read_settings_file(file)
        read.pop("base", None)
        _merge(values, read)
        name = f"conf/{file.name}" if file == root else str(file)
        origins |= {key: f"{name}:{line}" for key, line in lines.items()}
    for word in words:
        key, equals, text = word.partition("=")
        key = key.removeprefix(f"{schema.idea}.")
        if not equals or not all(key.split(".")):
            raise RecipeError(f"--set {word}: expected key=value, e.g. --set epochs=3")
        value = parse_value(text, f"--set {word}")
        for part in reversed(key.split(".")):
            value = {part: value}
        _merge(values, value)
        origins[key] = f"--set {word}"
    return values, origins


def _chain(path: Path, root: Path) -> list[Path]:
    """The files from the first base above the root down to `path`."""
    files: list[Path] = []
    where = ""
    while path.resolve() != root.resolve():
        if path.resolve() in [file.resolve() for file in files]:
            raise RecipeError(f"{where}: its `base:` files go round in a circle: remove one of them")
        if where and not path.is_file():
            raise RecipeError(f"{where}: base: there is no file {path}: name one relative to this file")
        files.insert(0, path)
        values, lines = read_settings_file(path)
        if "base" not in values:
            break
        where = f"{path}:{lines['base']}"
        if not isinstance(values["base"], str):
            raise RecipeError(f"{where}: base: must be the name of a file, e.g. ../{root.name}, not {values['base']!r}")
        path = path.parent / values["base"]
    return files


def _merge(into: dict, values: dict) -> None:
    for key, value in values.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _leaves(tree: dict, prefix: str = "") -> dict[str, Any]:
    """{"gate": {"mode": "fixed"}} as {"gate.mode": "fixed"}."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
