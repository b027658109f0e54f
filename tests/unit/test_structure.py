"""The shape of the code: short files and functions, imports that go one way, a test file for each module."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "steps/dlglc"
UNIT = ROOT / "tests/unit"
LONGEST_FILE, LONGEST_FUNCTION = 300, 60
DECLARATIONS = {"arrays", "errors", "encoders/base"}  # modules without anything that could be tested
OF_SEVERAL = {  # tests of no single module
    *("test_structure.py", "settings/test_every_key_is_read.py"),
    *("data/test_formats.py", "data/test_any_audio.py", "data/test_any_folder.py"),
}
AS_PYTHON_DOES = {
    "tests/support/warm.py",
    "tests/faults/forks.py",
}  # starts scripts as Python itself does, with their folder in the path


def files(*folders: str) -> Iterator[Path]:
    """Python and shell files of the checkout."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".py", ".sh") and path.is_file():
                yield path


def modules() -> list[str]:
    """The modules of the package, as "rounds/loss". The rooms themselves (__init__.py) are not among them."""
    names = (path.relative_to(PACKAGE).with_suffix("").as_posix() for path in PACKAGE.rglob("*.py"))
    return sorted(name for name in names if not name.endswith("__init__"))


def imports(module: str) -> Iterator[str]:
    """The modules or rooms of the package that a module imports, wherever in its text: "rounds/loss", "settings"."""
    path = PACKAGE / f"{module}.py"
    if not path.exists():
        path = PACKAGE / module / "__init__.py"
    folder = path.relative_to(PACKAGE).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*folder[: len(folder) - node.level + 1], *(node.module or "").split(".")]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "dlglc":
            base = node.module.split(".")[1:]
        else:
            assert not isinstance(node, ast.Import) or all(name.name.split(".")[0] != "dlglc" for name in node.names)
            continue
        base = [part for part in base if part]
        for name in node.names:
            deeper = "/".join([*base, name.name])
            yield deeper if exists(deeper) else "/".join(base)


def exists(module: str) -> bool:
    return (PACKAGE / f"{module}.py").exists() or (PACKAGE / module / "__init__.py").exists()


def rooms() -> list[set[str]]:
    """The rooms, from the bottom up, by the docstring of the package. Those of one line stand beside each other."""
    found = []
    text = ast.get_docstring(ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8")))
    for line in text.splitlines():
        if line.startswith("    ") and (names := re.match(r"\s+([\w/]+(?:, [\w/]+)*)(?: {2}|$)", line)):
            found.append({name.strip("/") for name in names[1].split(", ")})
    return found


def test_no_file_is_longer_than_a_reader_can_hold():
    lengths = {str(path.relative_to(ROOT)): text.count("\n") for path, text in texts("steps", "local", "tests")}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def texts(*folders: str) -> Iterator[tuple[Path, str]]:
    for path in files(*folders):
        yield path, path.read_text(encoding="utf-8")


def test_no_function_is_longer_than_a_screen():
    longer = {}
    for path, text in texts("steps", "local"):
        if path.suffix == ".py":
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    length = node.end_lineno - node.lineno + 1
                    if length > LONGEST_FUNCTION:
                        longer[f"{path.relative_to(ROOT)}: {node.name}"] = length
    assert longer == {}


def test_the_path_of_modules_is_set_outside():
    """path.sh and pyproject.toml say where modules are; a script that says so itself hides what it needs."""
    word = "sys" + ".path"
    found = {str(path.relative_to(ROOT)) for path, text in texts("steps", "local", "tests") if word in text}
    assert found - AS_PYTHON_DOES == set()


def test_parts_of_packages_are_imported_by_name():
    """`import scipy` alone gives no scipy.stats, unless somebody else has imported it, as tests/support/warm.py has."""
    alone = re.compile(r"^\s*import (scipy|sklearn)( as \w+)?$", re.MULTILINE)
    assert {str(path) for path, text in texts("steps", "local") if alone.search(text)} == set()


def test_the_docstring_lists_every_room():
    listed = [name for names in rooms() for name in names]
    there = {module.split("/")[0] for module in modules()}
    assert sorted(listed) == sorted(there)


@pytest.mark.parametrize("module", modules())
def test_imports_go_upwards_in_the_list_of_rooms(module):
    """A module imports from its own room and from the rooms above it in the package's docstring."""
    place = {name: i for i, names in enumerate(rooms()) for name in names}
    room = module.split("/")[0]
    assert [name for name in imports(module) if place[name.split("/")[0]] > place[room]] == []


def test_no_modules_import_each_other_in_a_circle():
    graph = {module: set(imports(module)) for module in modules()}
    for room in {name for names in graph.values() for name in names} - graph.keys():  # settings, encoders, …
        graph[room] = set(imports(room))
    done: set[str] = set()

    def walk(module: str, path: list[str]) -> None:
        assert module not in path, " → ".join([*path[path.index(module) :], module])
        if module not in done:
            for name in sorted(graph[module]):
                walk(name, [*path, module])
            done.add(module)

    for module in graph:
        walk(module, [])


def test_every_module_has_its_test_file():
    """Or the folder that the module is in has one: settings/schema/* is tested by settings/test_schema.py."""
    missing = []
    for module in modules():
        folder, name = Path(module).parent, Path(module).name
        tests = (UNIT / folder / f"test_{name}.py", UNIT / folder.parent / f"test_{folder.name}.py")
        if module not in DECLARATIONS and not any(test.exists() for test in tests):
            missing.append(module)
    assert missing == []


def test_every_test_file_is_of_a_module_or_a_room():
    """test_kmeans.py or, where one file is not enough, test_kmeans_speed.py beside it."""
    strange = set()
    for path in UNIT.rglob("test_*.py"):
        folder, words = path.relative_to(UNIT).parent, path.stem.removeprefix("test_").split("_")
        names = ["_".join(words[: end + 1]) for end in range(len(words))]
        of_a_room = exists(folder.as_posix()) and folder.name in names
        if not of_a_room and not any(exists((folder / name).as_posix()) for name in names):
            strange.add(path.relative_to(UNIT).as_posix())
    assert strange - OF_SEVERAL == set()
