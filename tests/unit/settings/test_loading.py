"""Settings are merged from the published file, the chain of `base:` files and the words of the command line."""

import os
from pathlib import Path

import pytest

from dlglc.errors import RecipeError
from dlglc.settings import SCHEMAS, changes, load_settings, save_settings
from dlglc.settings.schema import AugmentSettings, DinoSettings, DlglcSettings
from support import chain
from support.settings import refusal


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Call write(name, text) to write a file into the working directory; it returns the name."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, text: str) -> str:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
        return name

    return write


def test_a_file_changes_its_keys_only(write):
    plain = load_settings(DinoSettings)
    changed = load_settings(DinoSettings, write("my.yaml", "epochs: 70\noptimiser:\n  lr: 1e-3\n"))
    assert (changed.epochs, changed.optimiser.lr) == (70, 0.001)
    optimiser = plain.optimiser.model_copy(update={"lr": 0.001})
    assert changed == plain.model_copy(update={"epochs": 70, "optimiser": optimiser})


def test_base_files_come_in_order_and_words_last(write):
    write("deep/first.yaml", "epochs: 50\nbatch_size: 8\nworkers: 3\n")
    write("second.yaml", "base: deep/first.yaml\nepochs: 60\nworkers: 4\n")
    path = write("mine/my.yaml", "base: ../second.yaml\nepochs: 70\n")
    settings = load_settings(DinoSettings, path, ["optimiser.lr=1e-4", "dino.workers=5", "workers=6"])
    assert (settings.batch_size, settings.epochs, settings.workers, settings.optimiser.lr) == (8, 70, 6, 1e-4)


def test_a_base_may_end_in_the_published_file_or_not(root, write):
    with_base = load_settings(DinoSettings, write("a.yaml", f"base: {root}/conf/dino.yaml\nepochs: 70\n"))
    assert with_base == load_settings(DinoSettings, write("b.yaml", "epochs: 70\n"))
    assert load_settings(DinoSettings, root / "conf/dino.yaml") == load_settings(DinoSettings)


def test_a_list_is_replaced_and_a_section_is_merged(write):
    path = write("my.yaml", "gate: {fixed_thresholds: [2.0]}\n")
    assert load_settings(DlglcSettings, path).gate.fixed_thresholds == [2.0]
    assert load_settings(DlglcSettings, path).gate.mode == "dynamic"
    added = load_settings(AugmentSettings, None, ["snr_db.wind=[1, 2]"]).snr_db
    assert added == {**load_settings(AugmentSettings).snr_db, "wind": [1.0, 2.0]}


@pytest.mark.parametrize(
    ("base", "words"),
    [
        ("5", "my.yaml:1: base: must be the name of a file, e.g. ../dino.yaml, not 5"),
        ("", "not null"),
        ("''", "not ''"),
        ("[other.yaml]", "not ['other.yaml']"),
        ('"a\\0b"', r"not 'a\x00b'"),
        ("gone.yaml", "my.yaml:1: base: there is no file gone.yaml: name one relative to this file"),
        (".", "my.yaml:1: base: there is no file ."),
        ("x" * 300, "my.yaml:1: base: there is no file xxx"),
        ("my.yaml", "my.yaml:1: base: these files go round in a circle"),
        ("sub/../my.yaml", "my.yaml:1: base: these files go round in a circle"),
        ("sub/round.yaml", "sub/round.yaml:1: base: these files go round in a circle"),
        ("sub/link.yaml", "my.yaml:1: base: these files go round in a circle"),
        ("CONF/dlglc.yaml", "dlglc.yaml: these are settings of dlglc: take conf/dino.yaml"),
    ],
)
def test_a_wrong_base_is_refused(root, write, base, words):
    write("sub/round.yaml", "base: ../my.yaml\n")
    os.symlink("../my.yaml", "sub/link.yaml")
    assert words in refusal(DinoSettings, path=write("my.yaml", f"base: {base}\n".replace("CONF", str(root / "conf"))))


def test_the_file_of_another_idea_is_refused(root, monkeypatch):
    monkeypatch.chdir(root)
    assert "conf/cluster.yaml: these are settings of cluster" in refusal(DinoSettings, path="conf/cluster.yaml")
    assert "conf/mini/dlglc.yaml:" in refusal(DinoSettings, path="conf/mini/dlglc.yaml")


def test_a_missing_file_and_an_empty_name_are_refused():
    assert "gone.yaml: cannot read these settings: No such file" in refusal(DinoSettings, path="gone.yaml")
    assert "it is a folder" in refusal(DinoSettings, path="")


def test_paths_are_shown_as_the_user_gave_them(write, tmp_path):
    write("conf/base.yaml", "epochs: x\n")
    write("conf/mine/my.yaml", "base: ../base.yaml\nhead: 3\n")
    said = refusal(DinoSettings, path="conf/mine/my.yaml")
    assert said.split("\n  ")[0].startswith("conf/base.yaml:1: epochs: must be")
    assert said.split("\n  ")[1].startswith("conf/mine/my.yaml:2: head: must be")
    assert refusal(DinoSettings, path=tmp_path / "conf/mine/my.yaml").startswith(f"{tmp_path}/conf/base.yaml:1: ")


def test_a_mistake_counts_where_a_later_file_mends_it(write):
    write("base.yaml", "epochs: x\n")
    assert refusal(DinoSettings, path=write("my.yaml", "base: base.yaml\nepochs: 30\n")).startswith(
        "base.yaml:1: epochs: "
    )


def test_settings_that_cancel_each_other_count_only_as_they_are_merged(write):
    write("base.yaml", "epochs: 6\n")  # before gate.from_epoch
    path = write("my.yaml", "base: base.yaml\nepochs: 20\n")
    assert load_settings(DlglcSettings, path).epochs == 20


def test_the_message_points_at_what_was_set_last(write):
    path = write("my.yaml", "epochs: 20\ngate: {from_epoch: 12}\ncorrection: {from_epoch: 12}\n")
    assert refusal(DlglcSettings, ["epochs=11"], path).startswith("--set epochs=11: gate.from_epoch: ")
    assert refusal(DlglcSettings, ["gate.from_epoch=21"], path).startswith("--set gate.from_epoch=21: gate.from_epoch")


def test_a_key_that_the_published_file_lacks_is_named(root, write, monkeypatch):
    text = (root / "conf/dino.yaml").read_text()
    write("conf/dino.yaml", "".join(line for line in text.splitlines(True) if not line.startswith("  bottleneck:")))
    monkeypatch.setattr("dlglc.settings.loading.CONF", Path("conf").resolve())
    assert "'head.bottleneck' is missing" in refusal(DinoSettings, [])


def test_every_published_file_loads(root):
    files = sorted(root.glob("conf/**/*.yaml"))
    assert {file.stem for file in files} == SCHEMAS.keys()
    for file in files:
        load_settings(SCHEMAS[file.stem], file)


def test_saved_settings_are_read_as_they_were(root, tmp_path):
    for file in sorted(root.glob("conf/**/*.yaml")):
        settings = load_settings(SCHEMAS[file.stem], file)
        save_settings(settings, tmp_path / "saved.yaml")
        assert load_settings(SCHEMAS[file.stem], tmp_path / "saved.yaml") == settings


def test_changes(root, write):
    path = write("my.yaml", "workers: 0\ngate:\n  mode: fixed\nmargin: 0.3\nscale: 32\n")
    found = changes(DlglcSettings, path, ["margin=0.4", "gate.fixed_thresholds=[1]"])
    assert [tuple(change) for change in found] == [
        ("margin", 0.4, 0.2, "--set margin=0.4"),
        ("gate.mode", "fixed", "dynamic", "my.yaml:3"),
        ("gate.fixed_thresholds", [1], [1.0, 3.0, 3.0, 5.0, 6.0], "--set gate.fixed_thresholds=[1]"),
    ]
    assert [tuple(change) for change in changes(AugmentSettings, None, ["snr_db.wind=[1, 2]"])] == [
        ("snr_db.wind", [1, 2], None, "--set snr_db.wind=[1, 2]")
    ]
    assert changes(DlglcSettings, None, []) == []
    with pytest.raises(RecipeError, match="epochs: must be"):
        changes(DlglcSettings, None, ["epochs=x"])


def test_a_dry_run_shows_what_differs_and_where_it_was_set(root):
    words = ["--set", "dino.epochs=4", "--set", "dlglc.gate.on_failure=stop", "--set", "fbank.compression=0"]
    said = chain.run(root, "--dry-run", "true", "--stage", "7", *words).stdout
    assert "  dino.epochs = 4  (default 150; --set dino.epochs=4)\n" in said
    assert "  dlglc.gate.on_failure = 'stop'  (default 'open'; --set dlglc.gate.on_failure=stop)\n" in said
    assert "  fbank.compression = 0  (default 3; --set fbank.compression=0)\n" in said
    lines = (root / "conf/mini/dino.yaml").read_text().splitlines()
    number = lines.index("batch_size: 32") + 1
    assert f"  dino.batch_size = 32  (default 256; conf/mini/dino.yaml:{number})\n" in said
    assert "dino.workers" not in said
