"""Configurations: merged from the root file, and every mistake named with file, line and remedy."""

import pytest

from dlglc.errors import RecipeError


def variant(tmp_path, text, name="my.yaml"):
    (tmp_path / name).write_text(text)
    return str(tmp_path / name)


def test_a_variant_changes_only_its_keys(tmp_path):
    plain = load_config("dino")
    changed = load_config("dino", variant(tmp_path, "epochs: 7\noptimiser:\n  lr: 1e-3\n"))
    assert changed["epochs"] == 7
    assert changed["optimiser"]["lr"] == 0.001  # YAML alone reads 1e-3 as text
    assert {k: v for k, v in changed.items() if k not in ("epochs", "optimiser")} == {
        k: v for k, v in plain.items() if k not in ("epochs", "optimiser")
    }


def test_base_files_are_read_in_order_and_words_of_the_command_line_come_last(tmp_path):
    variant(tmp_path, "epochs: 5\nbatch_size: 8\n", "base.yaml")
    path = variant(tmp_path, "base: base.yaml\nepochs: 6\n")
    config = load_config("dino", path, ["optimiser.lr=1e-4", "input=feats"])
    assert (config["epochs"], config["batch_size"]) == (6, 8)
    assert (config["optimiser"]["lr"], config["input"]) == (1e-4, "feats")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("epochs: 3\nbatchsize: 9\n", ["my.yaml:2", "'batchsize'", "'batch_size'"]),
        ("head:\n  outputs: 8\n  hiden: 9\n", ["my.yaml:3", "'head.hiden'", "'hidden'"]),
        ("epochs: many\n", ["my.yaml:1", "'epochs'", "whole number"]),
        ("nesterov: 1\n", ["my.yaml:1", "'nesterov'"]),
        ("optimiser:\n  nesterov: 1\n", ["my.yaml:2", "true or false"]),
        ("head: 3\n", ["my.yaml:1", "section"]),
        ("base: my.yaml\n", ["circle"]),
        ("base: gone.yaml\n", ["gone.yaml"]),
        ("a: [1\n", ["not valid YAML"]),
    ],
)
def test_mistakes_are_named(tmp_path, text, words):
    with pytest.raises(RecipeError) as error:
        load_config("dino", variant(tmp_path, text))
    for word in words:
        assert word in str(error.value)


def test_every_shipped_variant_loads(root):
    files = sorted(root.glob("conf/*/*.yaml"))
    assert files
    for file in files:
        load_config(file.stem, str(file))
