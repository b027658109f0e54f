"""What is wrong with a setting, in words: where it stands, what is allowed there, and the nearest valid word."""

import difflib
import types
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError

from .schema import Clash, Section

MOST = 10  # errors shown at once


def explain(error: ValidationError, schema: type[Section], origins: dict[str, str]) -> str:
    """One line for each mistake.

    Args:
        error: of schema.model_validate.
        origins: where each dotted key was set.
    """
    found = error.errors()
    lines = [_one(dict(mistake), schema, origins) for mistake in found[:MOST]]
    if len(found) > MOST:
        lines.append(f"and {len(found) - MOST} more")
    return "\n  ".join(dict.fromkeys(lines))


def _one(mistake: dict[str, Any], schema: type[Section], origins: dict[str, str]) -> str:
    keys = [str(part) for part in mistake["loc"]]
    clash = mistake.get("ctx", {}).get("error")
    if isinstance(clash, Clash):
        involved = [[*keys, *key.split(".")] for key in (clash.key, *clash.with_keys)]
        root = f"conf/{getattr(schema, 'idea', '')}.yaml:"
        places = [_where(names, origins) for names in involved]
        where = next((place for place in places if not place.startswith(root)), places[0])
        return f"{where}{'.'.join(involved[0])}: {clash}"
    if mistake["type"] == "extra_forbidden":
        return f"{_where(keys, origins)}no such key '{'.'.join(keys)}'.{_nearest_key(keys, schema)}"
    if mistake["type"] == "missing":
        return f"{_where(keys[:-1], origins)}'{'.'.join(keys)}' is missing: take its line from the published file"
    annotation, metadata = _field(schema, keys)
    value = mistake["input"]
    hint = nearest(str(value), [str(choice) for choice in _choices(annotation)])
    return (
        f"{_where(keys, origins)}{'.'.join(keys)}: must be {describe(annotation, metadata)}, not {shown(value)}{hint}"
    )


def nearest(word: str, choices: Iterable[str]) -> str:
    """ ". Did you mean 'soft'?", or nothing where no choice is near."""
    near = difflib.get_close_matches(word, list(choices), 1, 0.5)
    return f". Did you mean '{near[0]}'?" if near else ""


def shown(value: Any) -> str:
    """A value as one would write it in YAML."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return repr(value)


def _where(keys: list[str], origins: dict[str, str]) -> str:
    """ "file:line: " of a key, or of the section that it stands in."""
    for end in range(len(keys), 0, -1):
        if ".".join(keys[:end]) in origins:
            return f"{origins['.'.join(keys[:end])]}: "
    return ""


def _nearest_key(keys: list[str], schema: type[Section]) -> str:
    section: Any = schema
    for key in keys[:-1]:
        section = _field(section, [key])[0]
    names = list(section.model_fields)
    elsewhere = [name for name in dotted_keys(schema) if name.split(".")[-1] == keys[-1]]
    near = elsewhere or difflib.get_close_matches(keys[-1], names, 1, 0.4)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"{hint} Valid here: {', '.join(names)}"


def dotted_keys(schema: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Names of all settings: "epochs", "gate.mode", …"""
    for name, field in schema.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from dotted_keys(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name


def _field(schema: Any, keys: list[str]) -> tuple[Any, list[Any]]:
    """Type and bounds of a key, or of an element of the list or mapping that it names."""
    annotation, metadata = schema, []
    for key in keys:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            field = annotation.model_fields[key]
            annotation, metadata = field.annotation, list(field.metadata)
        else:
            annotation, metadata = get_args(annotation)[-1], []
        annotation, more = _unpacked(annotation)
        metadata += more
    return annotation, metadata


def _unpacked(annotation: Any) -> tuple[Any, list[Any]]:
    """Annotated[float, Field(gt=0)] as (float, [Gt(0)])."""
    if get_origin(annotation) is not Annotated:
        return annotation, []
    inner, *extra = get_args(annotation)
    return inner, [m for info in extra for m in getattr(info, "metadata", [info])]


def _choices(annotation: Any) -> tuple:
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def describe(annotation: Any, metadata: list[Any]) -> str:
    """What a setting may be: "a number from 0 to 1", "soft, hard or none"."""
    choices = [str(choice) for choice in _choices(annotation)]
    if choices:
        return " or ".join([", ".join(choices[:-1]), choices[-1]])
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        if issubclass(annotation, BaseModel):
            return f"a section with the keys {', '.join(annotation.model_fields)}"
        names = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}
        return names[annotation] + _bounds(metadata)
    element = describe(*_unpacked(get_args(annotation)[-1]))
    if get_origin(annotation) is dict:
        return f"a section whose values are each {element}"
    least, most = (_bound(metadata, key) for key in ("min_length", "max_length"))
    return f"a list of {most if most == least else 'one or more'}, each {element}"


def _bound(metadata: list[Any], name: str) -> Any:
    return next((getattr(m, name) for m in metadata if hasattr(m, name)), None)


def _bounds(metadata: list[Any]) -> str:
    found = {name: getattr(m, name) for m in metadata for name in ("ge", "gt", "le", "lt") if hasattr(m, name)}
    low, high = found.get("ge", found.get("gt")), found.get("le", found.get("lt"))
    above, below = "gt" in found, "lt" in found
    if low is None:
        return ""
    if high is None:
        return f" above {low}" if above else f" of {low} or more"
    if not above and not below:
        return f" from {low} to {high}"
    return f" {'above' if above else 'from'} {low} {'and below' if below else 'up to'} {high}"
