"""YAML as the settings use it: words, numbers, lists and sections. Nothing is built or executed."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from ..errors import RecipeError

MOST_BYTES = 100_000
MOST_LEVELS = 10


class Layer(NamedTuple):
    """What one file or one `--set` word sets.

    Attributes:
        values: nested, as YAML has them.
        origins: where each dotted key stands, {"gate.mode": "conf/mini/dlglc.yaml:12"}. The last key is the newest.
    """

    values: dict[str, Any]
    origins: dict[str, str]


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the plain scalars of YAML 1.2.

    1e-4 is a number and `yes` is a word. YAML 1.1 has it the other way round, and reads 010 as 8 and 1:30 as 90: these
    two are words here, so that no setting takes them.
    """

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  # not its parent's


WHOLE = r"[-+]?(0|[1-9][0-9]{0,999})"  # Python refuses to read some thousand digits; they become an infinite float
REAL = r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?"

for tag, pattern, first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", WHOLE, "-+0123456789"),
    ("float", REAL + r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "-+.0123456789"),
):
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(rf"(?:{pattern})\Z"), list(first))

SCALARS: dict[str, Callable[[str], Any]] = {
    "tag:yaml.org,2002:bool": lambda text: text.lower() == "true",
    "tag:yaml.org,2002:null": lambda text: None,
    "tag:yaml.org,2002:int": int,
    "tag:yaml.org,2002:float": lambda text: float(text.lower().replace(".inf", "inf").replace(".nan", "nan")),
    "tag:yaml.org,2002:str": str,
}


def read_settings_file(path: Path, name: str) -> Layer:
    """What a file sets.

    Args:
        name: of the file in messages.

    Raises:
        RecipeError: a file that is missing, empty or not of `key: value` lines; a key that stands twice; what settings
            have no use for, such as an alias or a tag.
    """
    text = Text(_contents(path, name), name, has_lines=True)
    node = text.document()
    if node is None or (isinstance(node, yaml.ScalarNode) and not node.value):
        raise RecipeError(f"{name}: sets nothing: write `key: value` lines into it, or do without it")
    if not isinstance(node, yaml.MappingNode):
        found = f"'{one_line(node.value)}'" if isinstance(node, yaml.ScalarNode) else "a list"
        raise RecipeError(f"{text.place(node.start_mark)}: expected `key: value` lines, found {found}")
    return Layer(text.value(node), text.origins)


def read_word(word: str, prefix: str) -> Layer:
    """What a word of `--set` sets: "key=value" or "section.key=value", the value in YAML.

    Args:
        prefix: that the key may have, e.g. "dlglc.".

    Raises:
        RecipeError: no "=", a key with an empty part, a value that is not YAML or has no use in settings.
    """
    where = f"--set {one_line(word)}"
    key, equals, value = word.partition("=")
    parts = key.removeprefix(prefix).split(".")
    if not equals or not all(parts):
        raise RecipeError(f"{where}: expected key=value, e.g. --set epochs=3")
    text = Text(value, where, has_lines=False)
    text.origins |= {".".join(parts[: end + 1]): where for end in range(len(parts))}
    node = text.document()
    nested = None if node is None else text.value(node, f"{'.'.join(parts)}.")
    for part in reversed(parts):
        nested = {part: nested}
    return Layer(nested or {}, text.origins)


def one_line(text: str, most: int = 80) -> str:
    """A text as messages show it: not long, without line ends and other characters that cannot be seen."""
    text = text if text.isprintable() else ascii(text)[1:-1]
    return text if len(text) <= most else f"{text[:most]}…"


def _contents(path: Path, name: str) -> str:
    problem = "cannot read these settings"
    try:
        if path.exists() and not path.is_file():  # reading a device or a pipe may never end
            raise RecipeError(f"{name}: {problem}: it is a folder or a device, not a file")
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise RecipeError(f"{name}: {problem}: it has more than {MOST_BYTES // 1000} kB and must be something else")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise RecipeError(f"{name}:{line}: {problem}: it is not UTF-8 text") from error
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        raise RecipeError(f"{name}: {problem}: {getattr(error, 'strerror', error)}") from error


class Text:
    """A text of YAML.

    Args:
        text: one document.
        name: of its file, or the word that it stands in.
        has_lines: whether messages name the line.
    """

    def __init__(self, text: str, name: str, has_lines: bool):
        self.text, self.name, self.has_lines = text, name, has_lines
        self.origins: dict[str, str] = {}

    def place(self, mark: Any) -> str:
        """ "conf/mini/dino.yaml:12"."""
        return f"{self.name}:{mark.line + 1}" if self.has_lines and mark else self.name

    def document(self) -> yaml.Node | None:
        """The document's node; None if there is nothing."""
        try:
            self.look_through()
            return Loader(self.text).get_single_node()
        except yaml.MarkedYAMLError as error:
            problem = "a tab stands where YAML wants spaces" if "'\\t'" in f"{error.problem}" else error.problem
            raise RecipeError(f"{self.place(error.problem_mark)}: not valid YAML: {problem}") from error
        except yaml.reader.ReaderError as error:
            line = f":{self.text.count(chr(10), 0, error.position) + 1}" if self.has_lines else ""
            character = ascii(self.text[error.position])
            raise RecipeError(f"{self.name}{line}: not valid YAML: the character {character} is not allowed") from error
        except (ValueError, OverflowError) as error:  # an escape beyond Unicode, a version of a thousand digits
            raise RecipeError(f"{self.name}: not valid YAML: an escape or a version in it is out of range") from error

    def look_through(self) -> None:
        """Refuse what settings have no use for before it is built. A recursive alias never ends, others fill memory."""
        levels = documents = 0
        for event in yaml.parse(self.text, Loader):
            levels += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            documents += isinstance(event, yaml.DocumentStartEvent)
            problem = ""
            if isinstance(event, yaml.AliasEvent):
                problem = f"settings have no aliases (*{one_line(str(event.anchor))}): write the value out"
            elif getattr(event, "tag", None) is not None:
                tag = one_line(getattr(event, "tag", "").replace("tag:yaml.org,2002:", "!!"))
                problem = f"settings have no tags ({tag}): take it away"
            elif levels > MOST_LEVELS:
                problem = f"more than {MOST_LEVELS} levels of brackets or indentation: settings have three at most"
            elif documents > 1:
                problem = "a second document begins here: take away the line `---`"
            if problem:
                raise RecipeError(f"{self.place(event.start_mark)}: {problem}")

    def value(self, node: yaml.Node, prefix: str = "") -> Any:
        """The plain value of a node. Each key in it is noted in `origins`, with `prefix` in front."""
        if isinstance(node, yaml.ScalarNode):
            return SCALARS[node.tag](node.value)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, f"{prefix}{number}.") for number, item in enumerate(node.value)]
        values = {}
        for key_node, value_node in node.value:
            place = self.place(key_node.start_mark)
            if not isinstance(key_node, yaml.ScalarNode):
                raise RecipeError(f"{place}: a list or a section stands where a key should: a key is a word")
            key, name = key_node.value, f"{prefix}{key_node.value}"
            if "." in key:
                section, _, rest = one_line(key).partition(".")
                raise RecipeError(f"{place}: '{one_line(name)}': write `{section}:` and, indented below it, `{rest}:`")
            if name in self.origins:
                raise RecipeError(f"{place}: '{one_line(name)}' is set twice ({self.origins[name]}): keep one")
            self.origins[name] = place
            values[key] = self.value(value_node, f"{name}.")
        return values
