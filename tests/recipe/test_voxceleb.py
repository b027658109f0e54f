"""./run.sh --corpus voxceleb on a tree of VoxCeleb's shape: all stages, two processes, and one of them lost."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from dlglc.data.arks import read_embeddings
from dlglc.data.batches import Batches
from dlglc.data.crops import open_crops
from dlglc.data.fbank import Fbank
from dlglc.data.tables import read_table
from support.chain import run
from standin import make_tree

LISTS = ("", *(f"_vox1_{name}" for name in ("o", "e", "e_cleaned", "h", "h_cleaned")))
UTTERANCES = 47
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


@pytest.fixture(scope="module")
def words(tree, speech, tmp_path_factory):
    """The command line of a user with little: VoxCeleb2 as m4a, settings in a folder of their own."""
    top = tmp_path_factory.mktemp("voxceleb")
    make_tree(
        top / "tree", speech, {"vox2_dev": (8, 16, UTTERANCES), "vox1_dev": (2, 4, 8), "vox1_test": (4, 8, 20)}, "m4a"
    )
    settings = {idea: {**sizes, **TRAINER} for idea, sizes in SIZES.items()} | {"cluster": {"num_clusters": 8}}
    (top / "conf").mkdir()
    for idea, values in settings.items():
        values["base"] = f"{tree}/conf/voxceleb/{idea}.yaml"
        (top / f"conf/{idea}.yaml").write_text(json.dumps(values))
    corpus = ["--corpus", "voxceleb", "--corpus-dir", top / "tree", "--prepare", "--partial"]
    return [*corpus, "--conf", top / "conf", "--rounds", "2", "--nj", "1"]


def listing(*folders: Path) -> dict[Path, int]:
    """Every file with the time of its last change."""
    return {path: path.stat().st_mtime_ns for folder in folders for path in folder.rglob("*") if path.is_file()}


def outside(tree: Path, words) -> dict[Path, int]:
    """What a run must leave as it is: the copy but for data/ and exp/, the corpus, the settings."""
    folders = [path for path in tree.iterdir() if path.name not in ("data", "exp")]
    return listing(words[3], words[7], *folders) | {path: path.stat().st_mtime_ns for path in [tree, *folders]}


@pytest.fixture(scope="module")
def finished(tree, words, environment, tmp_path_factory):
    """All stages by one process; what it left outside data/ and exp/."""
    before = outside(tree, words)
    temporary = tmp_path_factory.mktemp("temporary")
    environment = {**environment, "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(temporary)}
    done = run(tree, *words, "--systems", "round2", env=environment)
    after = outside(tree, words)
    return (
        done.stdout,
        {path for path in before | after if before.get(path) != after.get(path)},
        set(listing(temporary)),
    )


def test_all_six_lists_are_scored_and_reported(tree, finished, monkeypatch):
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


def test_nothing_is_written_outside(finished):
    _, changed, temporary = finished
    assert changed == set()
    assert temporary == set()  # torch makes an empty folder there


def test_training_knows_no_speaker(tree, finished):
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


def test_a_second_run_makes_nothing_again(tree, words, finished, environment):
    def made():
        files = listing(tree / "data/voxceleb", tree / "exp/voxceleb")
        made = {path: time for path, time in files.items() if path.suffix in (".ark", ".pt", ".npz", ".m4a", ".jsonl")}
        return made, {p: p.read_bytes() for p in files if "log" not in p.parts and p.suffix not in (".json", ".jsonl")}

    before = made()
    done = run(tree, *words, "--stop-stage", "3", env=environment)
    assert done.stdout.count("reused") >= 2
    assert made() == before


def crops_of(tree):
    """The training set as DINO opens it."""

    class Options:
        data_dir, seed = tree / "data/voxceleb/train", 0
        noise, rirs = tree / "data/voxceleb/noise", tree / "data/voxceleb/rirs"

    return open_crops("wav", Options, Fbank(load_config("fbank")), load_config("augment"), [(2, 1.0), (4, 0.5)])[0]


@pytest.mark.parametrize("world", [2, 3])
def test_processes_read_together_what_one_reads(tree, finished, monkeypatch, world):
    """Utterances, crops and augmentation, through the reading processes, from the start and after a resume."""
    monkeypatch.chdir(tree)
    crops = crops_of(tree)
    for epoch, first in ((0, 0), (1, 2)):
        one = list(Batches(crops, 10).loader(epoch, first, 2, False))
        ranks = [list(Batches(crops, 10, rank, world).loader(epoch, first, 2, False)) for rank in range(world)]
        assert {len(steps) for steps in ranks} == {len(one)}
        for step, *parts in zip(one, *ranks):
            assert torch.equal(step["index"], torch.cat([part["index"] for part in parts]))
            for key, crops_each in (("wave0", 2), ("wave1", 4)):
                mine = [part[key].unflatten(0, (crops_each, -1)) for part in parts]
                assert torch.equal(step[key].unflatten(0, (crops_each, -1)), torch.cat(mine, 1))
        if first == 0:
            assert sorted(torch.cat([step["index"] for step in one]).tolist()) == list(range(UTTERANCES))
            assert len({len(step["index"]) for step in one}) == 2  # 47 utterances: batches of two sizes


def command_of(system, exp, words):
    """What a user types for two processes: the trainer itself for DINO, the recipe for a round."""
    if system == "dino":
        trainer = f"torchrun --standalone --nproc_per_node=2 steps/train_dino.py --config {words[7]}/dino.yaml"
        data = "--noise data/voxceleb/noise --rirs data/voxceleb/rirs data/voxceleb/train"
        return f"utils/run.pl --gpu 2 {exp}/dino/log/train.log {trainer} {data} {exp}/dino".split()
    words = [word if word != "2" else "1" for word in words]
    return ["./run.sh", *words, "--ngpu", "2", "--stage", "5", "--stop-stage", "5", "--exp", exp]


def start(tree, command, environment):
    venv = environment["DLGLC_VENV"]
    env = {**os.environ, **environment, "PATH": f"{venv}/bin:{os.environ['PATH']}"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen([*map(str, command)], cwd=tree, env=env, **pipes)


def ranks(out: str) -> list[tuple[int, int, bool]]:
    """Processes of a training in a folder: number, rank, whether it is the rank itself, not one that reads for it."""

    def words(path: Path) -> list[str]:
        return path.read_text(errors="replace").split("\0")

    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            rank = [word[5:] for word in words(folder / "environ") if word.startswith("RANK=")]
            if rank and out in words(folder / "cmdline"):
                parent = (folder / "stat").read_text().rsplit(")", 1)[1].split()[1]
                itself = any(word.endswith("torchrun") for word in words(Path("/proc") / parent / "cmdline"))
                found.append((int(folder.name), int(rank[0]), itself))
        except OSError:
            continue  # it has ended meanwhile, or is another user's
    return found


def wait_until(true, what: str, seconds=150) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def figures(out: Path) -> list[dict]:
    """metrics.jsonl without times."""
    times = ("seconds", "utterances_per_second", "data_wait")
    lines = map(json.loads, (out / "metrics.jsonl").read_text().splitlines())
    return [{key: value for key, value in line.items() if key not in times} for line in lines]


@pytest.mark.parametrize(("system", "lost"), [("dino", 1), ("round1", 0)])
def test_a_lost_process_ends_the_run_which_then_goes_on_to_the_same_bits(
    tree, words, finished, environment, system, lost
):
    for exp in ("exp/two", "exp/lost"):
        if system == "round1":
            shutil.rmtree(tree / exp / "dino", ignore_errors=True)
            shutil.copytree(tree / "exp/voxceleb/dino", tree / exp / "dino")
    whole, cut = tree / f"exp/two/{system}", tree / f"exp/lost/{system}"
    process = start(tree, command_of(system, "exp/two", words), environment)
    assert process.communicate(timeout=300)[1] is None and process.returncode == 0

    process = start(tree, command_of(system, "exp/lost", words), environment)
    log = cut / "log/train.log"
    # When one process is at its second step, the first step's checkpoint stands.
    there = re.compile("epoch 2 of ., step 2")
    wait_until(
        lambda: process.poll() is not None or (log.exists() and there.search(log.read_text())), "no second epoch"
    )
    assert process.poll() is None, process.communicate()[0]
    (number,) = [number for number, rank, itself in ranks(f"exp/lost/{system}") if itself and rank == lost]
    os.kill(number, signal.SIGKILL)
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 1 and f"{log.relative_to(tree)}" in said
    assert re.search(rf"rank +: {lost} .*\n.*SIGKILL", log.read_text())
    wait_until(lambda: not ranks(f"exp/lost/{system}"), "processes are left behind", 30)
    epoch, step = load(cut / "checkpoint.pt")["position"]
    assert epoch == 1 and step > 0
    assert not (cut / "model.pt").exists() and len(figures(cut)) == 1
    if system == "round1":
        assert "exp/lost/round1/checkpoint.pt keeps" in said and "stage 5" in said

    process = start(tree, command_of(system, "exp/lost", words), environment)
    assert process.communicate(timeout=300)[1] is None and process.returncode == 0
    assert f"resuming at epoch 2, step {step + 1} of 5" in log.read_text()
    one, two = load(whole / "model.pt")["state"], load(cut / "model.pt")["state"]
    assert one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)
    assert figures(whole) == figures(cut)
    for record in sorted(whole.glob("gate/*.npz")):
        with np.load(record) as a, np.load(cut / "gate" / record.name) as b:
            assert all(np.array_equal(a[key], b[key]) for key in ("decision", "target", "log_loss"))


def test_the_gate_knows_every_utterance_once(tree, finished):
    """With the gate off every label is kept: one seen twice would count 2 and have twice its label, one unseen 0."""
    labels = read_table(tree / "exp/voxceleb/dino/clusters/utt2cluster")
    numbers = np.unique([labels[utt] for utt in read_table(tree / "data/voxceleb/train/wav.scp")], return_inverse=True)[
        1
    ]
    for run_of in ("voxceleb", "two", "lost"):
        with np.load(tree / f"exp/{run_of}/round1/gate/epoch01.npz") as record:
            assert (record["decision"] == 1).all()
            np.testing.assert_array_equal(record["target"], numbers)
            assert record["log_loss"].shape == (UTTERANCES,) and (record["log_loss"] > np.log(1e-8)).all()
        for epoch in (2, 3):
            with np.load(tree / f"exp/{run_of}/round1/gate/epoch{epoch:02d}.npz") as record:
                assert set(record["decision"]) <= {0, 1, 2} and (record["target"] < 8).all()
