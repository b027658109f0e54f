"""Every key of every settings file is read by code that acts on it.

mypy gives the type of each expression, so `settings.margin` counts for the class that `settings` has, not for every
class with a key of that name. A value whose type mypy does not know counts for nothing: give the parameter a type.
"""

import sys

import pytest
from mypy import build
from mypy.modulefinder import BuildSource
from mypy.nodes import Decorator, FuncDef, MypyFile, Node, TypeInfo, Var
from mypy.options import Options
from mypy.traverser import NameAndMemberCollector
from mypy.types import Instance, Type, TypeVarType, UnionType, get_proper_type

from dlglc.dino.head import DinoHead
from dlglc.encoders import ENCODERS
from dlglc.settings import SCHEMAS
from dlglc.settings.schema import Section

SCHEMA = "dlglc.settings.schema."

# Sections that are handed on whole by model_dump(): in which module, and whose __init__ takes the keys. A key counts if
# one of these has a parameter of that name and uses it.
WHOLE = {
    "EncoderSettings": ("dlglc.encoders", list(ENCODERS.values())),
    "HeadSettings": ("dlglc.dino.task", [DinoHead]),
}

# Keys that nobody reads, put into a copy of the schema: class, key, and how the copy differs.
PLANTED = {
    ("DinoSettings", "nobody_reads_me"): ("dino", "    keep_every: CountOrNone\n", "    nobody_reads_me: Count\n"),
    # Read of another class, conf/dlglc.yaml's:
    ("DinoSettings", "margin"): ("dino", "    keep_every: CountOrNone\n", "    margin: Positive\n"),
    # No parameter of DinoHead, and none of any encoder:
    ("HeadSettings", "dropout"): ("dino", "    bottleneck: Count\n", "    dropout: Share\n"),
    ("EncoderSettings", "bottleneck"): ("dino", "    attention: Count\n", "    bottleneck: Count\n"),
    # Compared with another key, and then forgotten:
    ("FbankSettings", "only_checked"): ("data", "    preemphasis: Share\n", "    only_checked: Share\n"),
    ("FbankSettings", "of_a_check"): ("data", '-> "FbankSettings":\n', "        assert self.only_checked\n"),
    # Read by a property that nobody reads:
    ("GateSettings", "behind"): ("rounds", "    min_kept: BelowOne\n", "    behind: Share\n"),
    ("GateSettings", "of_a_property"): (
        "rounds",
        '    on_failure: Literal["open", "stop"]\n',
        "\n    @property\n    def twice(self) -> float:\n        return 2 * self.behind\n",
    ),
}
NO_KEYS = {("FbankSettings", "of_a_check"), ("GateSettings", "of_a_property")}  # parts of a plant


def classes(kind: Type | None) -> list[TypeInfo]:
    """The classes of settings that a value of this type may have."""
    kind = get_proper_type(kind)
    if isinstance(kind, UnionType):
        return [info for item in kind.items for info in classes(item)]
    if isinstance(kind, TypeVarType):
        return classes(kind.upper_bound)
    return [kind.type] if isinstance(kind, Instance) and kind.type.fullname.startswith(SCHEMA) else []


def attributes_read(result: build.BuildResult, node: Node) -> set[tuple[str, str]]:
    """(class of the schema, attribute) of all expressions `object.attribute` below a node."""
    return {
        (info.fullname, member.name)
        for member in expressions(node).member_exprs
        for info in classes(result.types.get(member.expr))
    }


def expressions(node: Node) -> NameAndMemberCollector:
    """All names, and all expressions `object.attribute`, below a node."""
    collector = NameAndMemberCollector()
    node.accept(collector)
    return collector


def compiled(root) -> build.BuildResult:
    """Package and scripts as mypy understands them, with the planted keys."""
    options = Options()
    options.export_types = options.preserve_asts = options.check_untyped_defs = True
    options.incremental, options.cache_dir = False, "/dev/null"
    options.follow_imports, options.follow_imports_for_stubs = "skip", True  # of torch and all else, not needed here
    options.ignore_missing_imports = options.no_site_packages = True
    options.python_executable = sys.executable
    steps = root / "steps"
    sources = []
    for path in sorted((steps / "dlglc").rglob("*.py")):
        module = ".".join(path.relative_to(steps).with_suffix("").parts).removesuffix(".__init__")
        text = path.read_text()
        for name, after, more in PLANTED.values():
            if module == SCHEMA + name:
                assert text.count(after) == 1, f"no place to plant a key: {after!r} in {path}"
                text = text.replace(after, after + more)
        sources.append(BuildSource(str(path), module, text))
    for path in [*sorted(steps.glob("*.py")), *sorted((root / "local").rglob("*.py"))]:
        sources.append(BuildSource(str(path), path.stem if path.parent != steps else f"steps_{path.stem}"))
    return build.build(sources, options)


def infos(files: dict[str, MypyFile]) -> dict[str, TypeInfo]:
    """The classes of the schema by their names."""
    nodes = [symbol.node for name, tree in files.items() if name.startswith(SCHEMA) for symbol in tree.names.values()]
    return {node.name: node for node in nodes if isinstance(node, TypeInfo) and node.fullname.startswith(SCHEMA)}


def keys_of(info: TypeInfo) -> set[str]:
    """Keys of a schema, its bases' included."""
    schemas = [base for base in info.mro if base.fullname.startswith(SCHEMA)]
    variables = [(name, symbol.node) for base in schemas for name, symbol in base.names.items()]
    return {name for name, node in variables if isinstance(node, Var) and not node.is_classvar and not node.is_inferred}


def parameters_used(files: dict[str, MypyFile], wanted: type) -> set[str]:
    """Parameters of a class's __init__, its own or an inherited one, that its body names."""
    info = files[wanted.__module__].names[wanted.__name__].node
    assert isinstance(info, TypeInfo)
    function = info.get_method("__init__")
    assert isinstance(function, FuncDef)
    return {name.name for name in expressions(function.body).name_exprs} & set(function.arg_names)


@pytest.fixture(scope="module")
def result(root):
    return compiled(root)


@pytest.fixture(scope="module")
def unread(result) -> set[tuple[str, str]]:
    """(class, key) of all keys that no code reads."""
    trees = {name: tree for name, tree in result.files.items() if not name.startswith("dlglc.settings")}
    read = set().union(*(attributes_read(result, tree) for tree in trees.values()))
    known = infos(result.files)
    for info in known.values():  # what a property reads is read where the property is
        for name, symbol in info.names.items():
            if isinstance(symbol.node, Decorator) and (info.fullname, name) in read:
                read |= attributes_read(result, symbol.node.func)
    for name, (module, takers) in WHOLE.items():
        if (known[name].fullname, "model_dump") in attributes_read(result, trees[module]):
            used = set().union(*(parameters_used(trees, taker) for taker in takers))
            read |= {(known[name].fullname, key) for key in used}
    return {
        (name, key)
        for name in schemas_in_use()
        for key in keys_of(known[name])
        if not any((base.fullname, key) in read for base in known[name].mro)
    }


def schemas_in_use() -> dict[str, type[Section]]:
    """The classes of all files and of the sections in them."""
    found: dict[str, type[Section]] = {}
    left: list = list(SCHEMAS.values())
    while left:
        schema = left.pop()
        if isinstance(schema, type) and issubclass(schema, Section):
            found[schema.__name__] = schema
            left += [field.annotation for field in schema.model_fields.values()]
    return found


def test_every_key_is_read(unread):
    assert unread - PLANTED.keys() == set(), "no code reads these: use them, or take them out of schema and conf/*.yaml"


def test_a_key_that_nobody_reads_would_be_noticed(unread):
    assert PLANTED.keys() - NO_KEYS <= unread


def test_mypy_and_pydantic_see_the_same_keys(result):
    known = infos(result.files)
    planted = PLANTED.keys() - NO_KEYS
    for name, schema in schemas_in_use().items():
        assert keys_of(known[name]) - {key for owner, key in planted if owner == name} == set(schema.model_fields)
