"""Types, ranges and choices: those that the published files name, and that the edges of the ranges still work."""

import re
from typing import get_args, get_origin

import pytest

from dlglc.encoders import ENCODERS
from dlglc.rounds.gate import GATES
from dlglc.settings import SCHEMAS
from dlglc.settings.messages import describe_bounds, dotted_keys, field_of
from dlglc.settings.schema import DinoSettings, DlglcSettings
from dlglc.training.trainer import HALF

KEYS = [(idea, key) for idea, schema in SCHEMAS.items() for key in dotted_keys(schema)]


def comments(text: str) -> dict[str, str]:
    """The comment of each dotted key of a file, with the lines that continue it."""
    found: dict[str, str] = {}
    section = name = ""
    for line in text.splitlines():
        key = re.match(r"( *)(\w+):[^#]*(?:#(.*))?$", line)
        if key:
            section = section if key[1] else f"{key[2]}."
            name = section + key[2] if key[1] else key[2]
            found[name] = key[3] or ""
        elif name and re.match(r" *#", line):
            found[name] += line.split("#", 1)[1]
    return {key: " ".join(comment.split()) for key, comment in found.items()}


@pytest.fixture(scope="module")
def published(root):
    """Comments of the keys in conf/*.yaml, by idea."""
    return {idea: comments((root / f"conf/{idea}.yaml").read_text()) for idea in SCHEMAS}


@pytest.mark.parametrize(("idea", "key"), KEYS)
def test_the_comment_of_a_key_names_its_range_and_its_choices(published, idea, key):
    keys = key.split(".")
    while get_origin(field_of(SCHEMAS[idea], keys)[0]) in (list, dict):  # the range is that of its elements
        keys.append("0")
    annotation, metadata = field_of(SCHEMAS[idea], keys)
    comment = published[idea][key]
    range_ = describe_bounds(metadata)
    least = range_.split(" ")[0]
    # Or what its lowest value means, or how it depends on another key: "1 to batch_size / 2".
    others = rf"\b{least} = |\b{least} to `?[a-z]|\bfrom {least}\b|\bfrom [a-z_.]+ to "
    assert range_ in comment or re.search(others, comment), f"{range_!r} is not in {comment!r}"
    if annotation is bool:
        assert "true: " in comment or "false: " in comment
    for choice in get_args(annotation):
        assert re.search(rf"(?<!\w){re.escape(str(choice))}(?!\w)", comment)


def test_every_choice_has_code_behind_it():
    def choices(schema, key):
        return set(get_args(field_of(schema, key.split("."))[0]))

    assert choices(DlglcSettings, "gate.mode") == GATES.keys()
    assert choices(DinoSettings, "encoder.name") == ENCODERS.keys()
    assert choices(DinoSettings, "precision") == HALF.keys()


@pytest.mark.parametrize("schema", SCHEMAS.values())
def test_the_published_file_has_the_keys_of_its_schema(root, schema):
    keys = comments((root / f"conf/{schema.idea}.yaml").read_text())
    kinds = {f"snr_db.{kind}" for kind in ("noise", "speech", "babble", "music")}
    sections = {key.split(".")[0] for key in dotted_keys(schema) if "." in key}
    assert keys.keys() - kinds - sections == set(dotted_keys(schema))
