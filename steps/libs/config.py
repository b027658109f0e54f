"""Configurations: one YAML file per idea in conf/, whose keys and types are the schema of every variant.

A variant (conf/mini/dino.yaml) holds only what differs. It may name a parent with `base: ../dino.yaml`; whatever it
names, the root file conf/<idea>.yaml comes first, and a key that is not there, or a value of another type, is an
error that names the file, the line and the nearest valid key.
"""

import difflib
from pathlib import Path

import yaml

from .cli import RecipeError

CONF = Path(__file__).resolve().parents[2] / "conf"


def load_config(idea: str, path: str | None = None, overrides: list[str] = ()) -> dict:
    """Merge conf/<idea>.yaml, the chain of `base:` files that ends in `path`, and command-line overrides.

    Args:
        idea: name of the root file, e.g. "dino" for conf/dino.yaml.
        path: the user's variant, or None for the defaults.
        overrides: "key=value" or "section.key=value" words, the values in YAML.

    Returns:
        A plain nested dict with exactly the root file's keys.

    Raises:
        RecipeError: unreadable file, unknown key, wrong type, bases that go round in a circle.
    """
    root = CONF / f"{idea}.yaml"
    merged, _ = _read(root)
    for file in _chain(Path(path), root) if path else []:
        values, lines = _read(file)
        values.pop("base", None)
        _merge(merged, values, lines, str(file), ())
    for word in overrides:
        key, equals, text = word.partition("=")
        if not equals:
            raise RecipeError(f"--set {word}: expected key=value, e.g. --set epochs=3")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise RecipeError(f"--set {word}: the value is not YAML: {error}") from error
        for part in reversed(key.split(".")):
            value = {part: value}
        _merge(merged, value, {}, f"--set {word}", ())
    return merged


def save_config(config: dict, path: Path) -> None:
    """Write a merged configuration beside what it made."""
    Path(path).write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True))


def add_config_options(parser, idea: str) -> None:
    """Add --config and --set for conf/<idea>.yaml to a stage script."""
    parser.add_argument("--config", metavar="YAML", help=f"differences to conf/{idea}.yaml (default: none)")
    parser.add_argument(
        "--set", metavar="KEY=VALUE", nargs="+", default=[], help="change single keys, e.g. --set epochs=3"
    )


def _chain(path: Path, root: Path) -> list[Path]:
    """The files from the first base under the root down to `path`."""
    files: list[Path] = []
    while path.resolve() != root:
        if path.resolve() in [f.resolve() for f in files]:
            raise RecipeError(f"{path}: its `base:` files go round in a circle: remove one of them")
        files.insert(0, path)
        base = _read(path)[0].get("base")
        if base is None:
            break
        path = path.parent / base
    return files


def _read(path: Path) -> tuple[dict, dict]:
    """A YAML mapping, and the line number of each of its keys as {("section", "key"): line}."""
    try:
        text = Path(path).read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except OSError as error:
        raise RecipeError(f"{path}: cannot read this configuration: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise RecipeError(f"{path}: not valid YAML: {error}") from error
    if values is None:
        return {}, {}
    if not isinstance(values, dict):
        raise RecipeError(f"{path}: expected `key: value` lines")
    lines: dict = {}

    def walk(mapping, prefix):
        for key, value in mapping.value:
            lines[(*prefix, key.value)] = key.start_mark.line + 1
            if isinstance(value, yaml.MappingNode):
                walk(value, (*prefix, key.value))

    walk(node, ())
    return values, lines


def _merge(into: dict, values: dict, lines: dict, source: str, prefix: tuple) -> None:
    for key, value in values.items():
        name = (*prefix, key)
        where = f"{source}:{lines[name]}" if name in lines else source
        dotted = ".".join(map(str, name))
        if key not in into:
            near = difflib.get_close_matches(str(key), map(str, into), n=1, cutoff=0.0)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise RecipeError(f"{where}: no such key '{dotted}'.{hint} Valid here: {', '.join(map(str, into))}")
        if isinstance(into[key], dict):
            if not isinstance(value, dict):
                raise RecipeError(f"{where}: '{dotted}' is a section with keys {', '.join(into[key])}")
            _merge(into[key], value, lines, source, name)
        else:
            into[key] = _cast(into[key], value, dotted, where)


def _cast(default, value, key: str, where: str):
    """`value` as the type of `default`. YAML reads 1e-4 as text: a float's default makes it a number."""
    if default is None or value is None:
        return value
    if isinstance(default, bool) or isinstance(value, bool):
        if isinstance(default, bool) and isinstance(value, bool):
            return value
    elif isinstance(default, float):
        try:
            return float(value)
        except (TypeError, ValueError):
            pass
    elif isinstance(default, list):
        if isinstance(value, list):
            if not default:
                return value
            return [_cast(default[min(i, len(default) - 1)], v, key, where) for i, v in enumerate(value)]
    elif isinstance(value, type(default)):
        return value
    raise RecipeError(f"{where}: '{key}' must be {_kind(default)}, not {value!r}")


def _kind(default) -> str:
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a word", list: "a list"}
    return names.get(type(default), type(default).__name__)
