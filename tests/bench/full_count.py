#!/usr/bin/env python3
"""Every step that is not deep learning at VoxCeleb's number of utterances: seconds and peak memory, against goals.

A tree of 1,245,525 real files in VoxCeleb's folders (tests/standin.py: hard links to 64 short WAVs) goes through the
recipe's own commands; embeddings, losses and clusters are drawn at the true size. Peak memory is that of the largest
process of a step. The tree needs 1.5 million inodes and little room; it is removed at the end.

Writes  WORK_DIR (new), then removes it; a table in Markdown to the terminal, and to --out.

Example
    tests/bench/full_count.py data/full_count
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from multiprocessing import Process
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

import numpy as np  # noqa: E402
import soundfile  # noqa: E402

from standin import FULL, make_tree  # noqa: E402

PROBES = {
    "dataset start-up": """
from dlglc.data.crops import Crops
from dlglc.settings import load_settings
from dlglc.data.fbank import Fbank
fbank = Fbank(load_config("fbank"))
before = memory(), time.monotonic()
crops = Crops(data / "train", fbank, [(2, 3.0), (4, 2.0)], None, 0)
note(f"{len(crops.ids):,} utterances in {time.monotonic() - before[1]:.2f} s, {memory() - before[0]:.0f} MiB")
""",
    "sampler, order of an epoch": """
from types import SimpleNamespace
from dlglc.data.batches import Batches
batches = Batches(SimpleNamespace(ids=range(1_092_009), seed=0), 256, 0, 8)
before = time.monotonic()
batches.set_epoch(1)
note(f"{batches.num_steps} steps of 256 in {time.monotonic() - before:.2f} s")
""",
    "two reading workers": """
import torch
from dlglc.data.batches import Batches
from dlglc.data.crops import Crops
from dlglc.settings import load_settings
from dlglc.data.fbank import Fbank
crops = Crops(data / "train", Fbank(load_config("fbank")), [(1, 3.0)], None, 0)
class Watched(Batches):
    def __getitem__(self, step):
        return {**super().__getitem__(step), "memory": memory()}
seen = [b["memory"] for _, b in zip(range(300), Watched(crops, 256).loader(0, 0, 2, False))]
note(f"{max(seen):.0f} MiB in a worker, torch included, after 300 batches of 256")
""",
    "gate: mixture of 1.09 M losses": """
import numpy as np
from dlglc.rounds.mixture import fit_mixture
rng = np.random.default_rng(0)
losses = np.concatenate([rng.normal(-2, 1, 800_000), rng.normal(2, 0.8, 292_009)]).astype(np.float32)
before = time.monotonic()
mixture = fit_mixture(losses)
note(f"means {mixture.means.round(3).tolist()} in {time.monotonic() - before:.3f} s")
""",
}
DRAW = """
import numpy as np
from dlglc.data.arks import write_embeddings
from dlglc.data.columns import read_columns
from dlglc.files import write_lines
rng, work = np.random.default_rng(0), Path(sys.argv[3])
for name in ("eval", "train"):
    ids = list(read_columns(data / name / "utt2spk")[0])
    write_embeddings(work / name, ids, rng.standard_normal((len(ids), 192), dtype=np.float32))
write_lines(work / "utt2cluster", (f"{u} {c}" for u, c in zip(ids, rng.integers(7500, size=len(ids)).tolist())))
"""
PREAMBLE = """
import sys, time
from pathlib import Path
data = Path(sys.argv[2])
note = print
def memory():
    return int(next(l for l in open("/proc/self/status") if l.startswith("RssAnon")).split()[1]) / 1024
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", action="store_true", help="also pack: writes 10 GB of audio in WORK_DIR")
    parser.add_argument("--embeddings", action="store_true", help="also scoring and clusters' quality, 1 GB")
    parser.add_argument("--keep", action="store_true", help="leave WORK_DIR")
    parser.add_argument("--out", type=Path, help="the table also into this file")
    parser.add_argument("work_dir", type=Path)
    args = parser.parse_args()
    work = args.work_dir.absolute()
    if not work.exists() and os.statvfs(work.parent).f_favail < 1_600_000:
        sys.exit(f"full_count.py: {work.parent} has too few free inodes (df -i): name a folder on another disk")
    table = Table(args.out)
    try:
        run(work, args, table)
    finally:
        if not args.keep:
            shutil.rmtree(work, ignore_errors=True)


def run(work: Path, args, table: "Table") -> None:
    tree, data = work / "tree", work / "data"
    if not tree.exists():
        make = Process(target=make_tree, args=(tree, [short_recordings(work / "short")], FULL, "wav", True, True))
        start = time.monotonic()
        make.start()
        make.join()
        print(f"the tree took {time.monotonic() - start:.0f} s", flush=True)
    prepare = [sys.executable, ROOT / "local/prepare_voxceleb.py"]
    options = ["--partial", "--work", work / "corpus"]  # its lists are no published ones
    table.step("listing, trial lists (stage 0)", "", [*prepare, "corpus", tree, *options])
    stage1 = table.step("data directories (stage 1)", "", [*prepare, "data", tree, data / "local", *options])
    for kind in ["--in-place"] + [""] * args.pack:
        for name in ("train", "eval"):
            out = data / f"packed{kind}" / name
            script = [ROOT / "steps/pack_audio.py", *kind.split()]
            tables = "wav.scp,utt2dur,utt2num_samples"
            command = [ROOT / "utils/map_data.sh", "--nj", os.cpu_count(), data / "local" / name, out, tables, *script]
            stage1 += table.step(f"pack_audio.py {kind} {name}".replace("  ", " "), "", command)
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
        stage1 += table.step(f"validate_data_dir.sh {name}", "", command)
    table.line("stage 1 in all", f"{stage1:.0f}", "", "< 600 s, < 4096 MiB")
    for title, code in PROBES.items():
        goal = "< 30 s, < 1024 MiB" if "dataset" in title or "worker" in title else ""
        table.step(title, goal, [*probe(code), data])
    if args.embeddings:
        score(work, data, table)


def score(work: Path, data: Path, table: "Table") -> None:
    """Scoring and clusters' quality with drawn embeddings."""
    table.step("writing embeddings, 1.25 M × 192", "", [*probe(DRAW), data, work])
    steps, scores, trials = ROOT / "steps", work / "scores", data / "eval/trials_vox1_e_cleaned"
    command = [sys.executable, steps / "score_trials.py", trials, work / "eval/embedding.scp", scores]
    table.step("score_trials.py, 579,818 trials, cosine", "", command)
    command = [*command[:2], "--mean-from", work / "train/embedding.scp", *command[2:]]
    table.step("… less the mean of 1.09 M embeddings", "", command)
    table.step("compute_metrics.py, 579,818 trials", "", [sys.executable, steps / "compute_metrics.py", scores, trials])
    command = [sys.executable, steps / "cluster_quality.py", work / "utt2cluster", data / "train/utt2spk.truth"]
    table.step("cluster_quality.py, 1.09 M utterances, 7,500 clusters", "", command)


def probe(code: str) -> list:
    """A step of its own process: the memory of this one counts for nobody."""
    return [sys.executable, "-c", PREAMBLE + code, ROOT / "steps"]


def short_recordings(folder: Path) -> list[Path]:
    """64 WAVs of noise, 0.25 to 0.35 s."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    paths = [folder / f"{i:02d}.wav" for i in range(64)]
    for path in paths:
        soundfile.write(path, (3000 * rng.standard_normal(rng.integers(4000, 5600))).astype(np.int16), 16000)
    return paths


class Table:
    """Lines of a table, printed as they come."""

    def __init__(self, out: Path | None):
        self.out = out
        self.lines = []
        self.line("step", "s", "MiB", "goal; what it said")
        self.line("---", "---:", "---:", "---")

    def line(self, *cells) -> None:
        self.lines.append(f"| {' | '.join(cells)} |")
        print(self.lines[-1], flush=True)
        if self.out:
            self.out.write_text("\n".join(self.lines) + "\n")

    def step(self, title: str, goal: str, command: list) -> float:
        """Run a command; add its seconds, its largest process and its last line."""
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        start = time.monotonic()
        process = subprocess.Popen([*map(str, command)], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - start
        if status:
            sys.exit(f"full_count.py: {title} failed: {' '.join(map(str, command))}\n{said}")
        last = said.strip().splitlines()[-1] if said.strip() else ""
        remark = "; ".join(filter(None, [goal, last.split(" ", 2)[-1] if last.startswith("20") else last]))
        self.line(title, f"{seconds:.1f}", f"{usage.ru_maxrss / 1024:.0f}", remark)
        return seconds


if __name__ == "__main__":
    main()
