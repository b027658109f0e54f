"""What tests/bench/gpu.sh runs: both trainers on drawn audio of 8 s, then k-means at VoxCeleb2's size.

The trainers are steps/train_*.py as users run them, for an epoch to warm up and one or two that count; the figures are
those of their metrics.jsonl. Crops come from the recordings of a packed ark in the page cache; noise and rooms are
local/prepare_noise.py's. crop_by_crop.py is the same trainer with its steps done as the public toolkits do.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from dlglc.clusters.kmeans import kmeans
from dlglc.data.audio import packed_wav
from dlglc.files import write_lines
from dlglc.provenance import describe_code, describe_machine

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "exp/bench/gpu"
VOXCELEB2 = 1_092_009
SECONDS, CROPPED = 8, {"dino": 2 * 3.0 + 4 * 2.0, "dlglc": 3.0}
GOALS = {"dino": "≤ 15 min", "dlglc": "≤ 5 min"}


@dataclass
class Size:
    """How large everything is."""

    recordings: int
    batch: int
    utterances: dict  # an epoch: of a trainer, of one crop by crop
    classes: int
    points: list  # of k-means: (N, D, K)
    settings: list  # of the encoder, for DINO; stage II takes its model
    head: list
    half: str


FULL = Size(
    4096, 256, {"dino": (32_768, 4096), "dlglc": (65_536, 16_384)}, 7500,
    [(VOXCELEB2, 192, 7500), (VOXCELEB2, 512, 7500)], ["encoder.channels=512"], ["head.outputs=65536"], "bfloat16",
)  # fmt: skip
SMALL = Size(
    256, 32, {"dino": (64, 64), "dlglc": (256, 256)}, 50, [(20_000, 192, 200)],
    ["encoder.channels=64", "encoder.aggregate=192"],
    ["head.outputs=1024", "head.hidden=256", "head.bottleneck=64"], "float32",
)  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--workers", default="auto")
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--only", choices=["dino", "dlglc", "kmeans"])
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    report = Report(args.out)
    report.line(f"{describe_machine()}; {describe_code()}; {time.strftime('%F')}.\n")
    shutil.rmtree(WORK, ignore_errors=True)
    try:
        if args.only != "kmeans":
            Trainings(args, SMALL if args.cpu else FULL, report).run()
        if args.only in (None, "kmeans"):
            cluster(SMALL if args.cpu else FULL, "cpu" if args.cpu else "cuda", report)
    finally:
        if not args.keep:
            shutil.rmtree(WORK, ignore_errors=True)


class Report:
    """Markdown, to the terminal and a file as it comes."""

    def __init__(self, out: Path):
        self.out, self.lines = out, []
        out.parent.mkdir(parents=True, exist_ok=True)

    def line(self, *cells) -> None:
        self.lines.append(f"| {' | '.join(cells)} |" if len(cells) > 1 else cells[0])
        print(self.lines[-1], flush=True)
        self.out.write_text("\n".join(self.lines) + "\n")


class Trainings:
    """The runs of both trainers, a row of the table for each epoch that counts."""

    def __init__(self, args, size: Size, report: Report):
        self.args, self.size, self.report = args, size, report
        self.rates: dict[str, float] = {}
        if args.workers == "auto":
            self.workers = 0 if args.cpu else min(16, len(os.sched_getaffinity(0)))
        else:
            self.workers = int(args.workers)
        # Workers hand batches over in /dev/shm, two of them each: crops and half as much noise again, 16 bit.
        batch = size.batch * CROPPED["dino"] * 16000 * 2 * 1.5
        room = int(os.statvfs("/dev/shm").f_bavail * os.statvfs("/dev/shm").f_frsize / (2 * batch))
        if room < self.workers:
            print(f"gpu.py: /dev/shm has room for the batches of {room} workers, not {self.workers}", file=sys.stderr)
            self.workers = room

    def run(self) -> None:
        size, half = self.size, self.size.half
        shares = {name: [self.whole(n) for n in size.utterances[name]] for name in size.utterances}
        make_data(size, sorted({n for both in shares.values() for n in both}))
        self.report.line(
            f"Batches of {size.batch}, {self.workers} reading processes; {', '.join(size.settings + size.head)}; "
            f"{size.classes} clusters. Minutes are for {VOXCELEB2:,} utterances.\n"
        )
        self.report.line(
            "step", "utt/s", "step ms", "waiting for data", "GPU busy", "peak GiB", "VoxCeleb2 epoch, min", "goal"
        )
        self.report.line("---", *["--:"] * 6, "---")
        if self.args.only != "dlglc":
            self.dino(f"DINO, {half}", half, shares["dino"][0])
            if half != "float32":
                self.dino("DINO, float32", "float32", shares["dino"][1])
            self.dino("DINO, float32, crop by crop", "float32", shares["dino"][1], peer=True)
        if self.args.only != "dino":
            self.stage2(half, *shares["dlglc"])
        for name, peer in (("DINO", "DINO, float32, crop by crop"), ("stage II", "stage II, float32, crop by crop")):
            ours = f"{name}, {half}"
            if {ours, peer} <= self.rates.keys():
                self.report.line(f"\n{name}: {self.rates[ours] / self.rates[peer]:.2f} times as quick as crop by crop.")

    def whole(self, utterances: int) -> int:
        """Utterances of an epoch, in whole batches."""
        return max(2, round(utterances * self.args.share / self.size.batch)) * self.size.batch

    def dino(self, title: str, precision: str, utterances: int, peer: bool = False) -> None:
        settings = [*self.size.settings, *self.size.head, f"precision={precision}", "epochs=2", "on_collapse=warn"]
        self.train(title, "dino", settings, [WORK / f"data/train{utterances}"], utterances, {2: title}, peer)

    def stage2(self, half: str, utterances: int, fewer: int) -> None:
        """An epoch of labels alone, and one of gate and correction, which the paper has in 7 of 15."""
        model, clusters = WORK / "initial/model.pt", WORK / "utt2cluster"
        command = [sys.executable, ROOT / "steps/train_dino.py", *self.options(), WORK / f"data/train{fewer}"]
        subprocess.run(
            [*map(str, command), str(model.parent), "--set", "epochs=0", *self.size.settings],
            check=True, stdout=subprocess.DEVNULL, cwd=ROOT,
        )  # fmt: skip
        rng, most = np.random.default_rng(0), max(utterances, fewer)
        labels = rng.integers(self.size.classes, size=most)
        write_lines(clusters, (f"u{i:06d} {label}" for i, label in enumerate(labels.tolist())))
        always = ["gate.mode=fixed", "gate.fixed_thresholds=[10.0]", "gate.from_epoch=3", "correction.from_epoch=3"]
        inputs = [WORK / f"data/train{utterances}", clusters, model]
        title = f"stage II, {half}"
        rows = {2: title, 3: f"{title}, with clean predictions"}
        self.train(title, "dlglc", [f"precision={half}", "epochs=3", *always], inputs, utterances, rows)
        if set(rows.values()) <= self.rates.keys():
            minutes = sum(n * VOXCELEB2 / self.rates[row] for n, row in zip((8, 7), rows.values())) / 15 / 60
            mean = "mean of a round's 15 epochs, 7 with clean predictions"
            self.report.line(mean, *[""] * 5, f"{minutes:.1f}", GOALS["dlglc"] if self.size is FULL else "")
        title = "stage II, float32, crop by crop"
        inputs[0] = WORK / f"data/train{fewer}"
        settings = ["precision=float32", "epochs=2", "correction.mode=none"]
        self.train(title, "dlglc", settings, inputs, fewer, {2: title}, peer=True)

    def options(self) -> list:
        return [
            "--noise", WORK / "noise", "--rirs", WORK / "rirs", "--device", "cpu" if self.args.cpu else "cuda",
        ]  # fmt: skip

    def train(self, title, name, settings, inputs, utterances, rows: dict, peer=False) -> None:
        """Run a trainer, in more parts where memory does not hold a batch, and add the rows epoch → title."""
        out, start, parts = WORK / title.replace(" ", "_").replace(",", ""), time.monotonic(), 1
        settings = [*settings, f"batch_size={self.size.batch}", f"workers={self.workers}", "checkpoint_minutes=1000"]
        while True:
            script = [ROOT / "tests/bench/crop_by_crop.py"] * peer + [ROOT / f"steps/train_{name}.py"]
            command = [sys.executable, *script, *self.options(), *inputs, out, "--set", *settings]
            run = Watched([*map(str, command), f"accumulate={parts}"], out)
            if run.status == 0:
                break
            full = "out of memory" in run.said.lower() or "ALLOC_FAILED" in run.said
            if not full or parts >= self.size.batch // 2:
                self.report.line(title, "failed", *[""] * 6)
                print(run.said[-4000:], file=sys.stderr)
                return
            parts *= 2
        for line in map(json.loads, (out / "metrics.jsonl").read_text().splitlines()):
            if line["epoch"] not in rows:
                continue
            row = rows[line["epoch"]]
            rate = self.rates[row] = line["utterances_per_second"]
            busy = run.busy.get(line["epoch"], [])[4:]
            memory = line.get("gpu_gib")
            goal = GOALS[name] if self.size is FULL and not peer and "float32" not in row else ""
            self.report.line(
                row + (f", in {parts} parts" if parts > 1 else ""),
                f"{rate:,.0f}",
                f"{1000 * self.size.batch / rate:.0f}",
                f"{100 * line['data_wait']:.0f} %",
                f"{sum(busy) / len(busy):.0f} %" if busy else "",
                f"{memory:.1f}" if memory else f"{run.resident:.1f} (process)",
                f"{VOXCELEB2 / rate / 60:.1f}",
                goal,
            )
        print(f"  {title}: {time.monotonic() - start:.0f} s in all", file=sys.stderr, flush=True)


class Watched:
    """A finished trainer and what nvidia-smi said during each of its epochs.

    Attributes:
        status, said: exit status and output.
        busy: epoch → samples of the share of time in which the GPU ran something, %.
        resident: peak memory of the process, GiB.
    """

    def __init__(self, command: list, out: Path):
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        self.busy: dict[int, list[float]] = {}
        with open(out / "said", "w+") as said:
            process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, cwd=ROOT)
            while True:
                pid, status, usage = os.wait4(process.pid, os.WNOHANG)
                if pid:
                    break
                self.sample(out / "metrics.jsonl")
                time.sleep(0.4)
            process.returncode = self.status = os.waitstatus_to_exitcode(status)
            said.seek(0)
            self.said, self.resident = said.read(), usage.ru_maxrss / 2**20

    def sample(self, metrics: Path) -> None:
        if not shutil.which("nvidia-smi"):
            return
        gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
        query = ["nvidia-smi", "-i", gpu, "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
        done = subprocess.run(query, capture_output=True, text=True, check=False)
        epoch = 1 + (metrics.read_text().count("\n") if metrics.exists() else 0)
        if done.returncode == 0 and done.stdout.strip().isdigit():
            self.busy.setdefault(epoch, []).append(float(done.stdout))


def make_data(size: Size, counts: list[int]) -> None:
    """An ark of drawn recordings, data directories of so many utterances that take turns on it, noise and rooms."""
    rng, data = np.random.default_rng(0), WORK / "data"
    data.mkdir(parents=True)
    samples, offsets = SECONDS * 16000, []
    voices = (2000 * rng.standard_normal((64, samples), dtype=np.float32)).astype(np.int16)
    with open(data / "wav.ark", "wb") as ark:
        for i in range(size.recordings):
            ark.write(f"u{i:06d} ".encode())
            offsets.append(ark.tell())
            ark.write(packed_wav(np.roll(voices[i % 64], rng.integers(samples)), 16000))
    for count in counts:
        ids = [f"u{i:06d}" for i in range(count)]
        folder = data / f"train{count}"
        folder.mkdir()
        places = (f"{data}/wav.ark:{offsets[i % size.recordings]}" for i in range(count))
        write_lines(folder / "wav.scp", (f"{utt} {place}" for utt, place in zip(ids, places)))
        write_lines(folder / "utt2spk", (f"{utt} {utt}" for utt in ids))
        write_lines(folder / "utt2num_samples", (f"{utt} {samples}" for utt in ids))
    command = [sys.executable, ROOT / "local/prepare_noise.py", "--speech", data / f"train{counts[0]}", WORK]
    subprocess.run([*map(str, command)], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


def cluster(size: Size, device: str, report: Report) -> None:
    """k-means: an assignment with its update, a run from k-means++ to the end, and both with coarser products."""
    report.line("\n")
    report.line("k-means", "products", "an iteration, ms", "a whole run, s", "iterations", "objective", "peak GiB")
    report.line("---", "---", *["--:"] * 5)
    for points, dimensions, clusters in size.points:
        rng = np.random.default_rng(0)
        x = rng.standard_normal((points, dimensions), dtype=np.float32)
        x += (
            1.5
            * rng.standard_normal((points // 180, dimensions), dtype=np.float32)[
                rng.integers(points // 180, size=points)
            ]
        )
        for precision in ("highest", "high") if device == "cuda" else ("highest",):
            torch.set_float32_matmul_precision(precision)
            if device == "cuda":
                torch.cuda.reset_peak_memory_stats()
            seconds = {}
            for turns in (2, 2, 7):
                before = time.monotonic()
                kmeans(x, clusters, init="random", max_iter=turns, tolerance=0.0, device=device)
                seconds[turns] = time.monotonic() - before
            before = time.monotonic()
            found = kmeans(x, clusters, max_iter=50, device=device)
            whole = time.monotonic() - before
            report.line(
                f"{points:,} × {dimensions}, K = {clusters:,}",
                {"highest": "float32", "high": "tf32"}[precision],
                f"{1000 * (seconds[7] - seconds[2]) / 5:.0f}",
                f"{whole:.1f}",
                str(found.iterations),
                f"{found.objective:.6f}",
                f"{torch.cuda.max_memory_allocated() / 2**30:.1f}" if device == "cuda" else "",
            )
    torch.set_float32_matmul_precision("highest")


if __name__ == "__main__":
    main()
