"""What is wrong with a setting, in words: where it stands, what is allowed there, and the nearest valid value."""

import difflib
import math
import operator
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError

from .reading import one_line
from .schema import LARGEST, SCHEMAS, Clash, Section

MOST = 10  # errors shown at once
SWITCHES = dict.fromkeys(["true", "yes", "on", "1"], True) | dict.fromkeys(["false", "no", "off", "0"], False)


def explain(error: ValidationError, schema: type[Section], origins: dict[str, str], whole: bool = True) -> str:
    """One line for each mistake.

    Args:
        error: of schema.model_validate.
        origins: where each dotted key was set, the newest last.
        whole: False if these are part of the settings only: keys may be missing, and clashes wait for the rest.

    Returns:
        the lines, indented from the second on; "" if there is no mistake.
    """
    found = [dict(mistake) for mistake in error.errors()]
    if not whole:
        found = [mistake for mistake in found if mistake["type"] != "missing" and _clash(mistake) is None]
    lines = [_one(mistake, schema, origins) for mistake in found[:MOST]]
    if len(found) > MOST:
        lines.append(f"and {len(found) - MOST} more")
    return "\n  ".join(dict.fromkeys(lines))


def nearest(word: str, choices: Iterable[str]) -> str:
    """ ". Did you mean 'soft'?", or nothing where no choice is near."""
    near = difflib.get_close_matches(word.lower(), list(choices), 1, 0.5)
    return f". Did you mean '{near[0]}'?" if near else ""


def shown(value: Any) -> str:
    """A value as YAML has it, on one line; words in quotes."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    if isinstance(value, list):
        return one_line(f"[{', '.join(map(shown, value))}]")
    if isinstance(value, dict):
        return one_line(f"{{{', '.join(f'{key}: {shown(item)}' for key, item in value.items())}}}")
    return f"'{one_line(value)}'" if isinstance(value, str) else one_line(repr(value))


def dotted_keys(schema: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Names of all settings: "epochs", "gate.mode", …"""
    for name, field in schema.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from dotted_keys(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name


def field_of(schema: type[BaseModel], keys: list[str]) -> tuple[Any, list[Any]]:
    """Type and bounds of a key, or of an element of the list or section that it names."""
    annotation: Any = schema
    metadata: list[Any] = []
    for key in keys:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            field = annotation.model_fields[key]
            annotation, metadata = field.annotation, list(field.metadata)
        else:
            annotation, metadata = get_args(annotation)[-1], []
        annotation, more = _unpacked(annotation)
        metadata += more
    return annotation, metadata


def describe(annotation: Any, metadata: list[Any]) -> str:
    """What a setting may be: "a number from 0 to 1", "soft, hard or none"."""
    choices = [str(choice) for choice in _choices(annotation)]
    if choices:
        return " or ".join([", ".join(choices[:-1]), choices[-1]])
    if annotation in (bool, int, float):
        bounds = describe_bounds(metadata)
        name = {bool: "true or false", int: "a whole number", float: "a number"}[annotation]
        before = " from" if " to " in bounds else " of" if "more" in bounds else ""
        return f"{name}{before} {bounds}".strip()
    if get_origin(annotation) is None:
        return f"a section with the keys {', '.join(annotation.model_fields)}"
    element = describe(*_unpacked(get_args(annotation)[-1]))
    if get_origin(annotation) is dict:
        return f"a section in which each key has {element}"
    least, most = (_bound(metadata, key) for key in ("min_length", "max_length"))
    return f"a list of {most if most == least else 'one or more'} values, each {element}"


def describe_bounds(metadata: list[Any]) -> str:
    """A range: "1 or more", "0 to 1", "above 0 and below 1"; "" where there is none."""
    least, above, most, below = (_bound(metadata, name) for name in ("ge", "gt", "le", "lt"))
    if least is not None and most not in (None, LARGEST):
        return f"{least} to {most}"
    low = "" if least is above is None else f"above {above}" if least is None else f"{least} or more"
    return low if below is None else f"{low} and below {below}"


def _within(number: float, metadata: list[Any]) -> bool:
    """Whether a number keeps the bounds."""
    tests = {"ge": operator.ge, "gt": operator.gt, "le": operator.le, "lt": operator.lt}
    bounds = {name: _bound(metadata, name) for name in tests}
    return all(test(number, bounds[name]) for name, test in tests.items() if bounds[name] is not None)


def _one(mistake: dict[str, Any], schema: type[Section], origins: dict[str, str]) -> str:
    """The line of one mistake."""
    keys, clash = [str(part) for part in mistake["loc"]], _clash(mistake)
    name = one_line(".".join(keys))
    if clash is not None:
        involved = [".".join([*keys, key]) for key in clash.keys]
        newest = max(involved, key=list(origins).index) if origins.keys() >= set(involved) else ""
        return f"{_where(newest.split('.'), origins)}{one_line(involved[0])}: {clash}"
    where = _where(keys, origins)
    if mistake["type"] == "extra_forbidden":
        return f"{where}no such key '{name}'.{_meant_key(keys, schema)}"
    if mistake["type"] == "missing":
        return f"{_where(keys[:-1], origins)}'{name}' is missing: take its line from the published file"
    annotation, metadata = field_of(schema, keys)
    wanted = describe(annotation, metadata)
    if mistake["type"] == "less_than_equal" and mistake["ctx"]["le"] == LARGEST:
        wanted = f"{LARGEST} or less"
    value = mistake["input"]
    return f"{where}{name}: must be {wanted}, not {shown(value)}{_meant(value, annotation, metadata)}"


def _clash(mistake: dict[str, Any]) -> Clash | None:
    error = mistake.get("ctx", {}).get("error")
    return error if isinstance(error, Clash) else None


def _where(keys: list[str], origins: dict[str, str]) -> str:
    """ "file:line: " of a key, or of the section that it stands in."""
    for end in range(len(keys), 0, -1):
        if ".".join(keys[:end]) in origins:
            return f"{origins['.'.join(keys[:end])]}: "
    return ""


def _meant(value: Any, annotation: Any, metadata: list[Any]) -> str:
    """ ". Did you mean 10?" of 010, of "yes" where a switch is wanted, of a word that is nearly a choice."""
    text, guess = str(value).lower(), None
    if choices := _choices(annotation):
        near = difflib.get_close_matches(text, [str(choice) for choice in choices], 1, 0.5)
        guess = next((choice for choice in choices if str(choice) in near), None)
    elif annotation is bool:
        guess = SWITCHES.get(text)
    elif (annotation is int and isinstance(value, str | float)) or (annotation is float and isinstance(value, str)):
        try:
            number = float(text.replace(",", ".") if annotation is float else text)
            guess = number if annotation is float else int(number) if number == int(number) else None
        except (ValueError, OverflowError):  # no number, or an infinite one
            pass
        guess = guess if guess is not None and math.isfinite(guess) and _within(guess, metadata) else None
    return "" if guess is None else f". Did you mean {shown(guess)}?"


def _meant_key(keys: list[str], schema: type[Section]) -> str:
    """Where a key of that name, or of a similar one, is; and the keys that are valid here."""
    valid = list(field_of(schema, keys[:-1])[0].model_fields)
    near = [name for name in dotted_keys(schema) if name.split(".")[-1] == keys[-1]]
    near = near or difflib.get_close_matches(keys[-1].lower(), valid, 1, 0.6)
    others = [idea for idea, other in SCHEMAS.items() if keys[-1] in (idea, *other.model_fields)]
    hint = ""
    if near:
        hint = f" Did you mean {' or '.join(map(shown, near))}?"
    elif others:
        hint = f" It belongs to conf/{others[0]}.yaml, which is not read here."
    return f"{hint} Valid here: {', '.join(valid)}"


def _unpacked(annotation: Any) -> tuple[Any, list[Any]]:
    """Annotated[float, Field(gt=0)] as (float, [Gt(0)])."""
    if get_origin(annotation) is not Annotated:
        return annotation, []
    inner, *extra = get_args(annotation)
    return inner, [m for info in extra for m in getattr(info, "metadata", [info])]


def _choices(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def _bound(metadata: list[Any], name: str) -> Any:
    return next((getattr(m, name) for m in metadata if hasattr(m, name)), None)
