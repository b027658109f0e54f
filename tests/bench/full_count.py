#!/usr/bin/env python3
"""Measure every step that is not deep learning at VoxCeleb's number of utterances: seconds and peak memory.

A tree of 1,245,525 real files in VoxCeleb's folders goes through the recipe's own commands. tests/standin.py makes it:
the files are hard links to 64 short WAV files. Embeddings, losses and clusters are random numbers of the true size.
The peak memory of a step is that of its largest process. The tree needs 1.5 million inodes and little space.

Writes  WORK_DIR (new), and removes it at the end; a table in Markdown to the terminal, and to --out.

Example, after `. ./path.sh`
    tests/bench/full_count.py data/full_count
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import soundfile
from page import Page

ROOT = Path(__file__).resolve().parents[2]
PROBES = {
    "dataset start-up": "open_training_data",
    "sampler, order of an epoch": "order_of_an_epoch",
    "two reading workers": "reading_workers",
    "gate: mixture of 1.09 M losses": "mixture_of_losses",
    "gate: records of an epoch": "records_of_an_epoch",
    "checkpoint of DINO": "checkpoint_of_dino",
}
GOALS = {title: "< 30 s, < 1024 MiB" for title in ("dataset start-up", "two reading workers")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", action="store_true", help="also pack: writes 10 GB of audio in WORK_DIR")
    parser.add_argument("--embeddings", action="store_true", help="also scoring and the quality of clusters, 1 GB")
    parser.add_argument("--small", action="store_true", help="a tree of 76 files, to see that every step runs")
    parser.add_argument("--keep", action="store_true", help="do not remove WORK_DIR")
    parser.add_argument("--out", type=Path, help="write the table into this file, too")
    parser.add_argument("work_dir", type=Path)
    args = parser.parse_args()
    work = args.work_dir.absolute()
    if not (args.small or work.exists()) and os.statvfs(work.parent).f_favail < 1_600_000:
        sys.exit(f"full_count.py: {work.parent} has too few free inodes (df -i): name a folder on another disk")
    steps = Steps(args.out)
    try:
        if not (work / "tree").exists():
            make_tree(work, args.small)
        data_directories(work, args.pack, steps)
        for title, name in PROBES.items():
            steps.run(title, GOALS.get(title, ""), [*probe(name), work / "data"])
        if args.embeddings:
            scoring(work, steps)
    finally:
        if not args.keep:
            shutil.rmtree(work, ignore_errors=True)


class Steps:
    """Runs commands and adds a row for each to a table.

    Args:
        out: file of the table. None: the terminal only.
    """

    def __init__(self, out: Path | None):
        self.page = Page(out)
        self.page.row("step", "s", "MiB", "goal; what it said")
        self.page.row("---", "---:", "---:", "---")

    def run(self, title: str, goal: str, command: list) -> float:
        """Run a command. The row has its seconds, the memory of its largest process and its last line of output.

        Returns:
            seconds.

        Raises:
            SystemExit: the command failed.
        """
        start = time.monotonic()
        process = subprocess.Popen([*map(str, command)], cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True)
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - start
        if status:
            sys.exit(f"full_count.py: {title} failed: {' '.join(map(str, command))}\n{said}")
        last = said.strip().splitlines()[-1] if said.strip() else ""
        remark = "; ".join(filter(None, [goal, last.split(" ", 2)[-1] if last.startswith("20") else last]))
        self.page.row(title, f"{seconds:.1f}", f"{usage.ru_maxrss / 1024:.0f}", remark)
        return seconds


def environment() -> dict[str, str]:
    """Variables of every command: this Python, the recipe's modules, one thread."""
    return {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}/steps:{ROOT}/local",
    }


def make_tree(work: Path, small: bool) -> None:
    """WORK_DIR/tree: files in VoxCeleb's folders, and its trial lists."""
    start = time.monotonic()
    write_speech(work / "short")
    command = [sys.executable, ROOT / "tests/standin.py", "--links", *["--full"] * (not small)]
    subprocess.run([*map(str, command), work / "short", work / "tree"], check=True, env=environment())
    print(f"the tree took {time.monotonic() - start:.0f} s", flush=True)


def write_speech(folder: Path) -> None:
    """A data directory of one speaker: 64 WAV files of noise, 0.25 to 0.35 s each."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    paths = {f"{i:02d}": folder / f"{i:02d}.wav" for i in range(64)}
    for path in paths.values():
        soundfile.write(path, (3000 * rng.standard_normal(rng.integers(4000, 5600))).astype(np.int16), 16000)
    (folder / "wav.scp").write_text("".join(f"{utt} {path}\n" for utt, path in paths.items()))
    (folder / "utt2spk").write_text("".join(f"{utt} noise\n" for utt in paths))


def data_directories(work: Path, pack: bool, steps: Steps) -> None:
    """Stages 0 and 1: from the tree to WORK_DIR/data/{train,eval}."""
    tree, data = work / "tree", work / "data"
    prepare = [sys.executable, ROOT / "local/prepare_voxceleb.py"]
    options = ["--partial", "--work", work / "corpus"]  # its lists are not the published ones
    steps.run("listing, trial lists (stage 0)", "", [*prepare, "corpus", tree, *options])
    stage1 = steps.run("data directories (stage 1)", "", [*prepare, "data", tree, data / "local", *options])
    for kind in ["--in-place"] + [""] * pack:
        for name in ("train", "eval"):
            out = data / f"packed{kind}" / name
            script = [ROOT / "steps/pack_audio.py", *kind.split()]
            tables = "wav.scp,utt2dur,utt2num_samples"
            command = [ROOT / "utils/map_data.sh", "--nj", os.cpu_count(), data / "local" / name, out, tables, *script]
            stage1 += steps.run(f"pack_audio.py {kind} {name}".replace("  ", " "), "", command)
    for name in ("train", "eval"):
        out = data / name
        out.mkdir()
        for path in (data / "packed--in-place" / name).iterdir():
            if path.is_file():
                shutil.copy(path, out)
        for path in (data / "local" / name).iterdir():
            if path.is_file() and path.name != "wav.scp":
                shutil.copy(path, out)
        command = [ROOT / "utils/validate_data_dir.sh", "--no-feats", "--unlabelled", "true", out]
        stage1 += steps.run(f"validate_data_dir.sh {name}", "", command)
    steps.page.row("stage 1 in all", f"{stage1:.0f}", "", "< 600 s, < 4096 MiB")


def scoring(work: Path, steps: Steps) -> None:
    """Scoring and the quality of clusters, on random embeddings."""
    data, scripts, scores = work / "data", ROOT / "steps", work / "scores"
    trials = data / "eval/trials_vox1_e_cleaned"
    steps.run("writing embeddings, 1.25 M × 192", "", [*probe("draw_embeddings"), data, work])
    command = [sys.executable, scripts / "score_trials.py", trials, work / "eval/embedding.scp", scores]
    steps.run("score_trials.py, 579,818 trials, cosine", "", command)
    command = [*command[:2], "--mean-from", work / "train/embedding.scp", *command[2:]]
    steps.run("… less the mean of 1.09 M embeddings", "", command)
    command = [sys.executable, scripts / "compute_metrics.py", scores, trials]
    steps.run("compute_metrics.py, 579,818 trials", "", command)
    command = [sys.executable, scripts / "cluster_quality.py", work / "utt2cluster", data / "train/utt2spk.truth"]
    steps.run("cluster_quality.py, 1.09 M utterances, 7,500 clusters", "", command)


def probe(name: str) -> list:
    """The command of a function of probes.py. It runs in a process of its own, so that its memory can be told."""
    return [sys.executable, ROOT / "tests/bench/probes.py", name]


if __name__ == "__main__":
    main()
