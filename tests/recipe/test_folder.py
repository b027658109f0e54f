"""A folder of audio as people have it, from the files to a report: without labels, and with a few."""

import json
import os
import random
import re
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import dlglc
from dlglc.data.audio import Recordings, open_file
from dlglc.data.folder import id_of, shown_path
from dlglc.data.tables import read_table
from standin import cut
from support.chain import run
from support.folders import PEOPLE, write_bad, write_good

TINY = [
    *(
        "dino.epochs=1",
        "dino.freeze_last_epochs=0",
        "dino.batch_size=8",
        "dino.long_seconds=0.8",
        "dino.short_seconds=0.4",
    ),
    *("dino.encoder.channels=16", "dino.encoder.embedding_dim=16", "dino.encoder.aggregate=0"),
    *("dino.encoder.attention=8", "dino.head.hidden=16", "dino.head.bottleneck=8", "dino.head.outputs=16"),
    *("dlglc.epochs=3", "dlglc.batch_size=8", "dlglc.crop_seconds=0.8", "dlglc.margin_warmup_epochs=1"),
    *("dlglc.gate.from_epoch=2", "dlglc.correction.from_epoch=3", "cluster.restarts=1", "backend.min_class_size=1"),
]


class Corpus(NamedTuple):
    """A folder and what is in it.

    Attributes:
        top: the folder.
        good: paths of the files that can be used, relative to `top`.
        bad: pattern of the reason by path of the files that cannot.
        tree: copy of the checkout in which run.sh has ended.
        said: what run.sh said.
    """

    top: Path
    good: list[str]
    bad: dict[str, str]
    tree: Path
    said: str


def words(corpus_dir, *more):
    """Options of run.sh for a short run on that folder."""
    settings = [word for setting in TINY for word in ("--set", setting)]
    return ["--corpus", "folder", "--corpus-dir", corpus_dir, "--rounds", 1, "--nj", 2, *settings, *more]


@pytest.fixture(scope="module")
def folder(clone, speech, once):
    """One command, stages 0 to 7, without a label. Half of the files are bad, so it is told to accept that."""

    def make(top):
        good = write_good(top / "내 음성", speech)
        bad = write_bad(top / "내 음성", cut(random.Random(1), speech[1]) / 32768)
        (top / "내 음성/notes.txt").write_text("no audio\n")
        shutil.copytree(clone, top / "tree", symlinks=True)
        done = run(top / "tree", *words(top / "내 음성", "--max-unusable", 0.5))
        (top / "made.json").write_text(json.dumps([good, bad, done.stdout]))

    top = once("folder", make)
    good, bad, said = json.loads((top / "made.json").read_text())
    return Corpus(top / "내 음성", good, bad, top / "tree", said)


def test_all_stages_finish_without_labels(folder):
    for stage in range(8):
        assert re.search(rf"stage {stage}: [^\n]+: done in \d+ s", folder.said)
    for name in (
        "dino/model.pt",
        "round1/model.pt",
        "round1/plda.npz",
        "round1/clusters/listen.txt",
        "RESULTS.md",
        "report.html",
    ):
        assert (folder.tree / "exp/folder" / name).exists()
    model = dlglc.load(folder.tree / "exp/folder/round1/bundle.dlglc")
    assert (model.decision.source, model.card["results"]) == ("cohort", None)
    assert not list(folder.tree.glob("data/folder/**/utt2spk.truth"))
    assert not (folder.tree / "data/folder/eval").exists()


@contextmanager
def chdir(folder):
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def packed(tree):
    """The samples of all utterances by id."""
    with chdir(tree):  # paths of arks are relative to it
        open_file.cache_clear()
        recordings = Recordings("data/folder/train")
        return {utt: recordings.read(i).astype(int) for i, utt in enumerate(recordings.ids)}


def test_no_good_file_is_lost(folder):
    samples = packed(folder.tree)
    assert samples.keys() == {id_of(name) for name in folder.good}
    for utt, recording in samples.items():
        assert 1.9 < len(recording) / 16000 < 4.3, utt
        assert abs(recording).max() > 300, utt


def test_every_bad_file_is_listed_with_its_reason(folder):
    text = (folder.tree / "data/folder/train/unusable.txt").read_text()
    found = {line.split(": ", 1)[0]: line.split(": ", 1)[1] for line in text.splitlines()}
    assert found.keys() == {str(folder.top / name) for name in folder.bad}
    for name, reason in folder.bad.items():
        assert re.match(reason, found[str(folder.top / name)]), name


def test_what_was_found_and_done_is_said_before_anything_long_starts(folder):
    before = folder.said.split("DINO pretraining")[0]
    for line in (
        rf"{len(folder.good) + len(folder.bad)} audio files; 1 other files are ignored \(\.txt 1\)",
        rf"{len(folder.good) + len(folder.bad)} files, about 0\.\d hours, about \d+ utterances",
        r"stage 3, pretraining: about \d+",
        r"all stages: about ",
        rf"{len(folder.good)} of {len(folder.good) + len(folder.bad)} recordings can be used",
        r"sample rates: 16000 Hz \d+, 44100 Hz \d+",
        r"\d+ resampled to 16 kHz",
        r"\d+ channels mixed down",
        r"\d+ samples above full scale",
        r"\d+ very quiet",
        r"\d+ a constant offset",
        r"\d+ channels cancel each other out",
        r"\d+ cannot be used: cut short",
    ):
        assert re.search(line, before), line


def test_the_report_says_what_can_be_known_without_labels(folder):
    text = (folder.tree / "exp/folder/RESULTS.md").read_text()
    assert "## What is known without labels" in text
    for system in ("untrained", "dino", "round1"):
        assert re.search(rf"^\| {system} \|", text, re.MULTILINE)
    assert "EER and minDCF are on the evaluation trials" not in text
    found = json.loads((folder.tree / "exp/folder/round1/clusters/unlabelled.json").read_text())
    assert {"num_clusters", "singletons", "seed_agreement", "round_agreement", "silhouette"} <= found.keys()
    listed = re.findall(r"^\| \d+ \| (?:central|middle|farthest) \| \S+ \| `+(.+?)`+ \|$", text, re.MULTILINE)
    assert len(listed) > 5
    assert {path.replace("\\|", "|") for path in listed} <= {
        shown_path(os.fsdecode(os.fsencode(folder.top / name))) for name in folder.good
    }


def test_a_share_of_bad_files_above_the_accepted_one_stops_the_run(folder, tmp_path):
    tree = shutil.copytree(folder.tree, tmp_path / "tree", symlinks=True)
    done = run(tree, *words(folder.top, "--stage", 1, "--stop-stage", 1), check=False)
    assert done.returncode == 1
    whole = len(folder.good) + len(folder.bad)
    assert f"{len(folder.bad)} of {whole} recordings cannot be used" in done.stderr
    share = float(re.search(r"--max-unusable ([0-9.]+)", done.stderr)[1])
    assert run(tree, *words(folder.top, "--stage", 1, "--stop-stage", 1, "--max-unusable", share))


@pytest.fixture(scope="module")
def labelled(folder, once):
    """The same command with labels of a few files of four people, on two days each."""

    def make(top):
        tree = shutil.copytree(folder.tree, top / "tree", symlinks=True)
        chosen = [name for name in folder.good if name.split("/")[0] in PEOPLE[:4] and "/day 2/" not in name]
        lines = ["\t".join([name, *name.split("/")[:2]]) for name in chosen]
        (top / "labels.tsv").write_text("".join(f"{line}\n" for line in lines))
        options = ["--labels", top / "labels.tsv", "--max-unusable", 0.7, "--systems", "mfcc round1"]
        done = run(tree, *words(folder.top, *options, "--overwrite", "true"))
        (top / "said").write_text(done.stdout)

    top = once("labelled", make)
    return top / "tree", (top / "labels.tsv").read_text().splitlines(), (top / "said").read_text()


def test_labels_make_trials_and_error_rates(labelled):
    tree, _, said = labelled
    records = json.loads((tree / "exp/folder/results.json").read_text())
    found = {(record["system"], record["backend"]) for record in records}
    assert found == {
        (system, f"{backend}{part}")
        for system, backends in (("mfcc", ["cosine"]), ("round1", ["cosine", "asnorm", "plda"]))
        for backend in backends
        for part in ("", "_within", "_across")
    }
    assert all(0 <= record["eer"] <= 100 for record in records)
    assert "EER %" in said
    text = (tree / "exp/folder/RESULTS.md").read_text()
    assert "EER and minDCF are on the evaluation trials" in text
    assert "## What is known without labels" in text


def test_labelled_files_are_not_trained_on(labelled, folder):
    tree, lines, _ = labelled
    names = {id_of(line.split("\t")[0]) for line in lines}
    train, held = (read_table(tree / f"data/folder/{part}/wav.scp") for part in ("train", "eval"))
    assert held.keys() == names
    assert train.keys() == {id_of(name) for name in folder.good} - names
    assert not (tree / "data/folder/train/utt2spk.truth").exists()
    trials = [line.split() for line in (tree / "data/folder/eval/trials").read_text().splitlines()]
    truth, session = (read_table(tree / f"data/folder/eval/{name}") for name in ("utt2spk.truth", "utt2sess"))
    assert {utt for enrol, test, _ in trials for utt in (enrol, test)} <= names
    assert all((truth[enrol] == truth[test]) == (kind == "target") for enrol, test, kind in trials)
    for name, same in (("within", True), ("across", False)):
        part = [line.split() for line in (tree / f"data/folder/eval/trials_{name}").read_text().splitlines()]
        assert {session[enrol] == session[test] for enrol, test, kind in part if kind == "target"} == {same}


def test_ids_and_clusters_are_those_of_any_other_run(folder, labelled):
    """Nothing but the path decides on an id, and a file that is packed again has the same samples."""
    tree, *_ = labelled
    one, other = packed(folder.tree), packed(tree)
    assert len(other) > 10
    for utt, recording in other.items():
        np.testing.assert_array_equal(recording, one[utt])


def test_without_labels_again_nothing_of_them_is_left(labelled, folder, tmp_path):
    tree = shutil.copytree(labelled[0], tmp_path / "tree", symlinks=True)
    run(tree, *words(folder.top, "--max-unusable", 0.5, "--stage", 1, "--stop-stage", 1))
    assert not (tree / "data/folder/local/eval").exists()
    assert read_table(tree / "data/folder/train/wav.scp").keys() == {id_of(name) for name in folder.good}
    assert not (tree / "data/folder/eval").exists()
