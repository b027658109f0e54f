"""./run.sh --corpus voxceleb on a tree of VoxCeleb's shape: all stages, two processes, and one of them lost."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from dlglc.data.arks import read_embeddings
from dlglc.data.augment import Augmenter
from dlglc.data.batches import Batches
from dlglc.data.crops import open_crops
from dlglc.data.fbank import Fbank
from dlglc.data.tables import read_table
from dlglc.files import load_tensors
from dlglc.settings import load_settings
from dlglc.settings.schema import AugmentSettings, FbankSettings
from standin import make_tree
from support.chain import ENVIRONMENT, run
from support.training import assert_every_utterance_is_recorded_once, figures, same_model
from support.waiting import Hold, wait_for

LISTS = ("", *(f"_vox1_{name}" for name in ("o", "e", "e_cleaned", "h", "h_cleaned")))
UTTERANCES = 47
SECOND_STEP_OF_EPOCH_2 = 7  # checkpoints until then: five steps an epoch, the fifth one's is that of the epoch
# Nothing but sizes, and a checkpoint after every step, so that a process is lost in the middle of an epoch.
SIZES = {
    "dino": {
        "epochs": 2,
        "long_seconds": 1.0,
        "short_seconds": 0.5,
        "encoder": {"channels": 16, "embedding_dim": 16, "aggregate": 0, "scale": 4, "attention": 8},
        "head": {"hidden": 32, "bottleneck": 16, "outputs": 64},
        "average_epochs": 2,
    },
    "dlglc": {
        "epochs": 3,
        "crop_seconds": 1.0,
        "gate": {"from_epoch": 2},
        "correction": {"from_epoch": 2},
        "margin_warmup_epochs": 1.0,
    },
}
TRAINER = {"batch_size": 10, "workers": 2, "checkpoint_minutes": 0.0, "optimiser": {"warmup_epochs": 1.0}}


class Chain(NamedTuple):
    """A tree in which the recipe has ended.

    Attributes:
        words: of the command line, with which the recipe ran.
        changed: files outside data/ and exp/ that the run made, changed or removed, the corpus and settings included.
        temporary: files that the run left in TMPDIR.
        again: files that a second run of stages 0 to 3 made again or changed.
        reused: how often that run said so.
    """

    tree: Path
    words: list[str]
    changed: list[str]
    temporary: list[str]
    again: list[str]
    reused: int


def command_line(top: Path) -> list[str]:
    """The words of a user with little: VoxCeleb2 as m4a, settings in a folder of their own."""
    corpus = ["--corpus", "voxceleb", "--corpus-dir", f"{top}/corpus", "--prepare", "--partial"]
    return [*corpus, "--conf", f"{top}/conf", "--rounds", "2", "--nj", "1"]


def listing(*folders: Path) -> dict[Path, int]:
    """Every file with the time of its last change."""
    return {path: path.stat().st_mtime_ns for folder in folders for path in folder.rglob("*") if path.is_file()}


def outside(top: Path) -> dict[Path, int]:
    """What a run must leave as it is: the copy but for data/ and exp/, the corpus, the settings."""
    folders = [path for path in (top / "tree").iterdir() if path.name not in ("data", "exp")]
    folders += [top / "corpus", top / "conf"]
    return listing(*folders) | {path: path.stat().st_mtime_ns for path in [top / "tree", *folders]}


@pytest.fixture(scope="session")
def chain(clone, speech, once) -> Chain:
    """All stages by one process. Tests must not change it."""

    def make(top):
        shutil.copytree(clone, top / "tree", symlinks=True)
        sizes = {"vox2_dev": (8, 16, UTTERANCES), "vox1_dev": (2, 4, 8), "vox1_test": (4, 8, 20)}
        make_tree(top / "corpus", speech, sizes, "m4a")
        settings = {idea: {**sizes, **TRAINER} for idea, sizes in SIZES.items()} | {"cluster": {"num_clusters": 8}}
        (top / "conf").mkdir()
        for idea, values in settings.items():
            values["base"] = f"../tree/conf/voxceleb/{idea}.yaml"
            (top / f"conf/{idea}.yaml").write_text(json.dumps(values))
        (top / "temporary").mkdir()
        before = outside(top)
        environment = {"PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": f"{top}/temporary"}
        run(top / "tree", *command_line(top), "--systems", "round2", env=environment)
        after = outside(top)
        changed = [str(path) for path in before | after if before.get(path) != after.get(path)]
        temporary = [str(path) for path in listing(top / "temporary")]
        before = made(top / "tree")
        second = run(top / "tree", *command_line(top), "--stop-stage", "3")
        after = made(top / "tree")
        again = [path for path in before | after if before.get(path) != after.get(path)]
        found = {"changed": changed, "temporary": temporary, "again": again, "reused": second.stdout.count("reused")}
        (top / "found.json").write_text(json.dumps(found))

    top = once("voxceleb", make)
    return Chain(top / "tree", command_line(top), **json.loads((top / "found.json").read_text()))


def made(tree: Path) -> dict[str, str]:
    """Files of data/ and exp/ but for logs: the time of the large ones, which are not to be written again, and the
    text of all that is no record of a run.
    """
    found = {}
    for path, time in listing(tree / "data/voxceleb", tree / "exp/voxceleb").items():
        times = [str(time)] if path.suffix in (".ark", ".pt", ".npz", ".m4a", ".jsonl") else []
        record = "log" in path.parts or path.suffix in (".json", ".jsonl")
        contents = [] if record else [hashlib.sha256(path.read_bytes()).hexdigest()]
        found[str(path)] = " ".join(times + contents)
    return found


@pytest.fixture
def copied(chain, tmp_path) -> Path:
    """A copy of the tree, for a test that goes on in it."""
    return shutil.copytree(chain.tree, tmp_path / "tree", symlinks=True)


def test_all_six_lists_are_scored_and_reported(chain, monkeypatch):
    tree = chain.tree
    monkeypatch.chdir(tree)  # paths in tables are as run.sh sees them
    records = {
        r["backend"]: r for r in json.loads((tree / "exp/voxceleb/results.json").read_text()) if r["system"] == "round2"
    }
    assert records.keys() == {backend + name for backend in ("cosine", "asnorm", "plda") for name in LISTS}
    report = (tree / "exp/voxceleb/RESULTS.md").read_text()
    for backend, record in records.items():
        assert 0 <= record["eer"] <= 100 and record["num_target"] == record["num_nontarget"] == 20
        assert f"| round2 | {backend} | {record['eer']:.2f} |" in report
    for name in LISTS:
        trials = [line.split()[:2] for line in (tree / f"data/voxceleb/eval/trials{name}").read_text().splitlines()]
        scores = [line.split() for line in (tree / f"exp/voxceleb/round2/scores/plda{name}").read_text().splitlines()]
        assert [s[:2] for s in scores] == trials
        assert np.isfinite([float(s[2]) for s in scores]).all()
    for system in ("untrained", "dino", "round1", "round2"):
        ids, embeddings = read_embeddings(tree / f"exp/voxceleb/{system}/train/embedding.scp")
        assert embeddings.shape == (UTTERANCES, 16) and np.isfinite(embeddings).all()
        assert read_table(tree / f"exp/voxceleb/{system}/clusters/utt2cluster").keys() == set(ids)


def test_nothing_is_written_outside(chain):
    assert chain.changed == []
    assert chain.temporary == []  # torch makes an empty folder there


def test_training_knows_no_speaker(chain):
    tree = chain.tree
    data = tree / "data/voxceleb"
    utts = list(read_table(data / "train/wav.scp"))
    assert len(utts) == UTTERANCES and all(utt < "id10000" for utt in utts)
    tables = [path for path in (data / "train").rglob("*") if path.name in ("utt2spk", "spk2utt")]
    assert len(tables) >= 4
    for table in tables:
        assert all(utt == speaker for utt, speaker in read_table(table).items())
    truth = read_table(data / "train/utt2spk.truth")
    for stamp in tree.glob("exp/voxceleb/*/stamp.json"):
        inputs = json.loads(stamp.read_text())["inputs"]
        assert inputs and not any("truth" in name or "eval" in name for name in inputs)
    clusters = read_table(tree / "exp/voxceleb/round1/clusters/utt2cluster")
    assert not set(clusters.values()) & set(truth.values())


def test_a_second_run_makes_nothing_again(chain):
    assert chain.again == []
    assert chain.reused >= 2


def crops_of(data):
    """The training set as DINO opens it."""
    augmenter = Augmenter(load_settings(AugmentSettings), data / "noise", data / "rirs", 16000)
    return open_crops("wav", data / "train", Fbank(load_settings(FbankSettings)), augmenter, [(2, 1.0), (4, 0.5)], 0)


@pytest.mark.parametrize("world", [2, 3])
def test_processes_read_together_what_one_reads(chain, monkeypatch, world):
    """Utterances, crops and augmentation, through the reading processes, from the start and after a resume."""
    monkeypatch.chdir(chain.tree)
    crops = crops_of(chain.tree / "data/voxceleb")
    for epoch, first in ((0, 0), (1, 2)):
        epochs = range(epoch, epoch + 1)
        one = list(Batches(crops, 10).loader(epochs, first, 2, False))
        ranks = [list(Batches(crops, 10, rank, world).loader(epochs, first, 2, False)) for rank in range(world)]
        assert {len(steps) for steps in ranks} == {len(one)}
        for step, *parts in zip(one, *ranks):
            assert torch.equal(step["index"], torch.cat([part["index"] for part in parts]))
            for key, crops_each in (("wave0", 2), ("wave1", 4)):
                mine = [part[key].unflatten(0, (crops_each, -1)) for part in parts]
                assert torch.equal(step[key].unflatten(0, (crops_each, -1)), torch.cat(mine, 1))
        if first == 0:
            assert sorted(torch.cat([step["index"] for step in one]).tolist()) == list(range(UTTERANCES))
            assert len({len(step["index"]) for step in one}) == 2  # 47 utterances: batches of two sizes


def command_of(system: str, exp: str, words: list[str]) -> list[str]:
    """What a user types for two processes: the trainer itself for DINO, the recipe for a round."""
    if system == "dino":
        trainer = f"torchrun --standalone --nproc_per_node=2 steps/train_dino.py --config {words[7]}/dino.yaml"
        data = "--noise data/voxceleb/noise --rirs data/voxceleb/rirs data/voxceleb/train"
        return f"utils/run.pl --gpu 2 {exp}/dino/log/train.log {trainer} {data} {exp}/dino".split()
    words = [word if word != "2" else "1" for word in words]
    return ["./run.sh", *words, "--ngpu", "2", "--device", "cpu", "--stage", "5", "--stop-stage", "5", "--exp", exp]


def start(tree: Path, command: list[str], **environment: str) -> subprocess.Popen:
    path = f"{ENVIRONMENT['DLGLC_VENV']}/bin:{os.environ['PATH']}"
    env = {**os.environ, **ENVIRONMENT, "PATH": path, "PYTHONPATH": f"{tree}/steps", **environment}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=tree, env=env, **pipes)


def finish(process: subprocess.Popen) -> str:
    """What it says until it ends well."""
    said = process.communicate(timeout=1500)[0]
    assert process.returncode == 0, said
    return said


def ranks(tree: Path, out: str) -> list[tuple[int, int, bool]]:
    """Processes of a training in a folder: number, rank, whether it is the rank itself, not one that reads for it."""

    def words(path: Path) -> list[str]:
        return path.read_text(errors="replace").split("\0")

    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            rank = [word[5:] for word in words(folder / "environ") if word.startswith("RANK=")]
            if rank and out in words(folder / "cmdline") and (folder / "cwd").resolve() == tree.resolve():
                parent = (folder / "stat").read_text().rsplit(")", 1)[1].split()[1]
                itself = any(word.endswith("torchrun") for word in words(Path("/proc") / parent / "cmdline"))
                found.append((int(folder.name), int(rank[0]), itself))
        except OSError:
            continue  # it has ended meanwhile, or is another user's
    return found


@pytest.mark.parametrize(("system", "lost"), [("dino", 1), ("round1", 0)])
def test_a_lost_process_ends_the_run_which_then_goes_on_to_the_same_bits(chain, copied, tmp_path, system, lost):
    # Where path.sh sets the path of Python, the module that holds a training has to stand in steps/.
    hold = Hold(tmp_path / "hold", SECOND_STEP_OF_EPOCH_2)
    shutil.copy(hold.module, copied / "steps")
    if system == "round1":
        for exp in ("exp/two", "exp/lost"):
            shutil.copytree(copied / "exp/voxceleb/dino", copied / exp / "dino")
    whole, cut = copied / f"exp/two/{system}", copied / f"exp/lost/{system}"
    finish(start(copied, command_of(system, "exp/two", chain.words)))

    command = command_of(system, "exp/lost", chain.words)
    process = start(copied, command, HOLD=hold.words)
    hold.wait(process)
    (number,) = [n for n, rank, itself in ranks(copied, f"exp/lost/{system}") if itself and rank == lost]
    os.kill(number, signal.SIGKILL)
    hold.release()
    said = process.communicate(timeout=1500)[0]
    log = cut / "log/train.log"
    assert process.returncode == 1 and f"{log.relative_to(copied)}" in said
    assert re.search(rf"rank +: {lost} .*\n.*SIGKILL", log.read_text())
    wait_for(lambda: not ranks(copied, f"exp/lost/{system}"), "processes are left behind")
    assert load_tensors(cut / "checkpoint.pt")["position"] == [1, 2]
    assert not (cut / "model.pt").exists() and len(figures(cut)) == 1
    if system == "round1":
        assert "exp/lost/round1/checkpoint.pt keeps" in said and "stage 5" in said

    finish(start(copied, command))
    assert "resuming at epoch 2, step 3 of 5" in log.read_text()
    assert same_model(whole / "model.pt", cut / "model.pt")
    assert figures(whole) == figures(cut)
    for record in sorted(whole.glob("gate/*.npz")):
        with np.load(record) as a, np.load(cut / "gate" / record.name) as b:
            assert all(np.array_equal(a[key], b[key]) for key in ("decision", "target", "log_loss"))
    if system == "round1":
        for training in (whole, cut):
            assert_every_utterance_is_recorded_once(copied, training / "gate", UTTERANCES)


def test_the_gate_knows_every_utterance_once(chain):
    assert_every_utterance_is_recorded_once(chain.tree, chain.tree / "exp/voxceleb/round1/gate", UTTERANCES)
