"""Every command of docs/using-a-model.md works as it stands there."""

import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import soundfile

from dlglc.front.command import COMMANDS
from support.commands import dlg_lc
from support.conversations import make_conversation
from support.scripts import ROOT, environment

PAGE = (ROOT / "docs/using-a-model.md").read_text(encoding="utf-8")
LINES = re.findall(r"^dlg-lc .+$", "\n".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)), re.MULTILINE)


@pytest.fixture(scope="module")
def folder(bundles, tmp_path_factory):
    """A folder with the files that the page names."""
    top = tmp_path_factory.mktemp("user")
    shutil.copy(bundles.labelled, top / "bundle.dlglc")
    shutil.copy(bundles.data / "train/wav.scp", top / "wav.scp")
    names = ["anna1.wav", "anna2.flac", "unknown.wav", "visitor.wav", "zoe1.wav", "zoe2.wav"]
    names += [f"speech/{k}.wav" for k in range(4)] + [f"staff/{name}/1.wav" for name in ("ben", "carla", "zoe")]
    recordings = [path for paths in bundles.speech for path in paths]
    for name, path in zip(names, recordings):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(top / name, soundfile.read(path, dtype="float32")[0], 16000)
    soundfile.write(top / "meeting.flac", make_conversation(bundles.speech[:2], 0)[0], 16000)
    return top


def test_the_page_shows_every_command():
    assert {line.split()[1] for line in LINES} | {"info"} == set(COMMANDS)
    assert len(LINES) >= 14


@pytest.mark.slow
def test_commands_in_the_order_of_the_page(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    for line in LINES:
        found = dlg_lc(capsys, *shlex.split(line, comments=True)[1:])
        assert found.status == 0, f"{line}: {found.err}"
    for name in (
        "speech.npz",
        "embeddings/embedding.scp",
        "speech.parquet",
        "people.npz",
        "meeting.rttm",
        "small.onnx",
    ):
        assert os.path.getsize(name) > 0


def test_the_lines_of_python(folder):
    program = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]
    given = "import numpy; waveform = numpy.random.default_rng(0).normal(0, 0.1, 44100)\n"
    shown = "\nprint(a.shape, b.shape)"
    done = subprocess.run(
        [sys.executable, "-c", given + program + shown],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    words = done.stdout.split()
    assert isinstance(float(words[0]), float) and words[1] in ("same", "different", "undecided")
    assert done.stdout.endswith("(24,) (24,)\n")
