"""Every test runs against the checkout: steps/ on the path as for `python steps/x.py`, real speech where present."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).resolve().parents[1]

from dlglc.data.tables import write_data_dir  # noqa: E402
from recipe import run  # noqa: E402
from standin import read_speech  # noqa: E402

SPEECHOCEAN = Path(os.environ.get("SPEECHOCEAN762", ROOT.parent / "shared/data/speechocean762"))


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def speechocean() -> Path:
    """Folder of the real corpus; a test that asks for it skips, saying so, where it is absent."""
    if not (SPEECHOCEAN / "train/wav.scp").exists():
        pytest.skip(f"no real speech at {SPEECHOCEAN}: set SPEECHOCEAN762 to a copy to run this test")
    return SPEECHOCEAN


@pytest.fixture(scope="session")
def script():
    """Run a stage script: script("steps/x.py", args…) → the finished process; check=False to look at failures."""

    def run(name, *args, check=True, env=None, timeout=300):
        command = [sys.executable, str(ROOT / name), *map(str, args)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **(env or {})}
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=timeout)
        if check and done.returncode:
            raise AssertionError(f"{name} failed ({done.returncode}):\n{done.stdout}\n{done.stderr}")
        return done

    return run


@pytest.fixture(scope="session")
def speech(script, tmp_path_factory) -> list[list[Path]]:
    """Recordings by speaker, to cut stand-ins from: real speech where present, else a small mini corpus."""
    if (SPEECHOCEAN / "train/wav.scp").exists():
        return read_speech(SPEECHOCEAN / "train")
    top = tmp_path_factory.mktemp("speech")
    options = ["--speakers", "14", "--utterances", "2", "--eval-speakers", "2", "--eval-utterances", "2"]
    script("local/prepare_mini.py", "corpus", top / "corpus", *options)
    script("local/prepare_mini.py", "data", top / "corpus", top / "data")
    return read_speech(top / "data/train")


def voice(rng: np.random.Generator, pitch: float, seconds: float) -> np.ndarray:
    """A buzz with harmonics of `pitch` and some noise, int16 at 16 kHz: enough of a signal for plumbing tests."""
    t = np.arange(int(16000 * seconds)) / 16000
    wobble = 1 + 0.02 * np.sin(2 * np.pi * 3 * t + rng.uniform(0, 6))
    wave = sum(np.sin(2 * np.pi * pitch * k * t * wobble) / k for k in range(1, 20))
    return (3000 * wave * (0.6 + 0.4 * np.sin(2 * np.pi * 2 * t)) + 200 * rng.standard_normal(len(t))).astype(np.int16)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """A corpus for plumbing: tiny/{train,noise,rirs} with 24 utterances of 4 voices, 3 noises, 2 impulse responses."""
    top = tmp_path_factory.mktemp("tiny")
    rng = np.random.default_rng(0)
    wav, truth = {}, {}
    (top / "wav").mkdir()
    for speaker, pitch in enumerate((90, 130, 180, 250)):
        for k in range(6):
            utt = f"s{speaker}-u{k}"
            soundfile.write(top / f"wav/{utt}.wav", voice(rng, pitch, 0.9 + 0.2 * k), 16000)
            wav[utt], truth[utt] = str(top / f"wav/{utt}.wav"), f"s{speaker}"
    write_data_dir(top / "train", wav, {utt: utt for utt in wav}, **{"utt2spk.truth": truth})
    noise, kinds = {}, {}
    for k, kind in enumerate(("babble", "music", "noise")):
        soundfile.write(top / f"wav/{kind}.wav", (800 * rng.standard_normal(16000)).astype(np.int16), 16000)
        noise[f"{kind}-{k}"], kinds[f"{kind}-{k}"] = str(top / f"wav/{kind}.wav"), kind
    write_data_dir(top / "noise", noise, kinds)
    rirs = {}
    for k in range(2):
        response = rng.standard_normal(4000) * np.exp(-np.arange(4000) / 600)
        response[30] = 8.0
        soundfile.write(top / f"wav/rir{k}.wav", response / 10, 16000, subtype="FLOAT")
        rirs[f"rir{k}"] = str(top / f"wav/rir{k}.wav")
    write_data_dir(top / "rirs", rirs, {r: r for r in rirs})
    return top


@pytest.fixture(scope="session")
def tree(root, tmp_path_factory) -> Path:
    """A copy of the tracked files with short trainings and a mini corpus of 8 + 4 speakers, its data prepared."""
    top = tmp_path_factory.mktemp("clone")
    names = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=root, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    for name in names:
        if (root / name).is_file():
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, top / name)
    for idea, changes in {
        "dino": {"epochs": 2, "head": {"outputs": 32, "hidden": 32, "bottleneck": 16}},
        "dlglc": {"epochs": 4, "gate": {"from_epoch": 2}, "correction": {"from_epoch": 3}},
        "cluster": {"num_clusters": 8, "restarts": 2},
    }.items():
        (top / f"conf/mini/{idea}.yaml").rename(top / f"conf/mini/full_{idea}.yaml")
        (top / f"conf/mini/{idea}.yaml").write_text(json.dumps({"base": f"full_{idea}.yaml", **changes}))
    command = [sys.executable, "local/prepare_mini.py", "corpus", "small", "--speakers", 8, "--utterances", 6]
    command += ["--eval-speakers", 4, "--eval-utterances", 5]
    subprocess.run([*map(str, command)], cwd=top, check=True, capture_output=True)
    return top


@pytest.fixture(scope="session")
def environment(root):
    """The copy uses this environment, whose requirements are the same."""
    return {"DLGLC_VENV": os.environ.get("DLGLC_VENV", str(root / ".venv")), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="session")
def finished(tree, environment):
    """Stages 1 to 7 with one round, in two commands as a user would go on."""
    words = ["--corpus-dir", "small", "--rounds", "1", "--nj", "2"]
    first = run(tree, "--stage", "1", "--stop-stage", "4", *words, env=environment)
    trials = (tree / "data/mini/eval/trials").read_text().splitlines(keepends=True)
    (tree / "data/mini/eval/trials_half").write_text("".join(trials[::2]))
    second = run(tree, "--stage", "5", *words, env=environment)
    return first.stdout + second.stdout
