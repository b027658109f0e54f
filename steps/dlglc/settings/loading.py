"""Read settings: conf/<idea>.yaml, then the chain of `base:` files that ends in the user's, then `--set` words."""

import os
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import yaml
from pydantic import ValidationError

from ..errors import RecipeError
from ..files import write_text
from .messages import explain, shown
from .reading import Layer, read_settings_file, read_word
from .schema import SCHEMAS, Settings

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
            exclude each other. It names file, line, key, value, what is allowed and the nearest valid value.
    """
    layers = _layers(schema, path, words or [])
    merged = _merged(layers)
    try:
        return schema.model_validate(merged.values)
    except ValidationError as error:
        raise RecipeError(explain(error, schema, merged.origins)) from None


def save_settings(settings: Settings, path: Path) -> None:
    """Write merged settings beside what they made."""
    write_text(path, yaml.safe_dump(settings.model_dump(), sort_keys=False, allow_unicode=True))


def changes(schema: type[Settings], path: str | Path | None, words: list[str]) -> list[Change]:
    """The settings that differ from conf/<idea>.yaml, in the order of that file.

    Raises:
        RecipeError: as load_settings.
    """
    load_settings(schema, path, words)
    layers = _layers(schema, path, words)
    merged = _merged(layers)
    before, after = _leaves(layers[0].values), _leaves(merged.values)
    return [
        Change(key, value, before.get(key), merged.origins[key])
        for key, value in after.items()
        if key not in before or before[key] != value
    ]


def _layers(schema: type[Settings], path: str | Path | None, words: list[str]) -> list[Layer]:
    """The files from conf/<idea>.yaml down to `path`, then the words. Each is checked for itself."""
    root = CONF / f"{schema.idea}.yaml"
    layers = [read_settings_file(root, f"conf/{root.name}")]
    if path is not None:
        layers += _chain(Path(path), root)
    layers += [read_word(word, f"{schema.idea}.") for word in words]
    mistakes = []
    for layer in layers:
        try:
            schema.model_validate(layer.values)
        except ValidationError as error:
            mistakes.append(explain(error, schema, layer.origins, whole=False))
    if any(mistakes):
        raise RecipeError("\n  ".join(filter(None, mistakes)))
    return layers


def _chain(path: Path, root: Path) -> list[Layer]:
    """The files from the first base above the root down to `path`."""
    layers: list[Layer] = []
    seen: set[str] = set()
    where = ""
    while (real := os.path.realpath(path)) != os.path.realpath(root):
        if real in seen:
            raise RecipeError(f"{where}: base: these files go round in a circle: take one `base:` away")
        seen.add(real)
        if where and not os.path.isfile(path):
            raise RecipeError(f"{where}: base: there is no file {_short(path)}: name one relative to this file")
        if Path(real).parent == CONF and path.stem in SCHEMAS:
            place = f"{where}: base: " if where else ""
            raise RecipeError(f"{place}{_short(path)}: these are settings of {path.stem}: take conf/{root.name}")
        layer = read_settings_file(path, _short(path))
        layers.insert(0, layer)
        if "base" not in layer.values:
            break
        base, where = layer.values.pop("base"), layer.origins["base"]
        if not isinstance(base, str) or not base or not base.isprintable():
            raise RecipeError(f"{where}: base: must be the name of a file, e.g. ../{root.name}, not {shown(base)}")
        path = path.parent / base
    return layers


def _short(path: Path) -> str:
    """The path as the user gave it, without a/../."""
    short = os.path.normpath(path)
    return short if os.path.realpath(short) == os.path.realpath(path) else str(path)


def _merged(layers: list[Layer]) -> Layer:
    """All layers in one; later ones win."""
    merged = Layer({}, {})
    for values, origins in layers:
        _merge(merged.values, values)
        for key, origin in origins.items():
            merged.origins.pop(key, None)  # so that the newest is the last
            merged.origins[key] = origin
    return merged


def _merge(into: dict[str, Any], values: dict[str, Any]) -> None:
    """Put nested values over others. A section's keys are merged, a list is replaced."""
    for key, value in values.items():
        if isinstance(value, dict):
            _merge(into.setdefault(key, {}), value)
        else:
            into[key] = value


def _leaves(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"gate": {"mode": "fixed"}} as {"gate.mode": "fixed"}."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
