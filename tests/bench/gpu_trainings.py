"""The trainings that tests/bench/gpu.sh measures, and their table."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from gpu_data import CLUSTERS, DATA, make_data
from gpu_sizes import CROPPED, VOXCELEB2, WORK, Size
from measure import ROOT
from page import Page
from watched import WatchedRun

# The steps are timed, not the learning: the rates stay as low as at the start of a warm-up.
CALM = {
    "dino": ["optimiser.warmup_epochs=2", "optimiser.lr=0.02"],
    "dlglc": ["optimiser.warmup_epochs=2", "optimiser.lr=0.03"],
}
LONG = "epochs=1000"  # as long as trainings are for which a GPU compiles; they are stopped after the epochs that count
NAMES = {"dino": "DINO", "dlglc": "stage II"}
PEER = "float32, crop by crop"


class Trainings:
    """Runs both trainers and adds a row to the table for each epoch that counts.

    Args:
        size: of the measurement.
        device: cpu or cuda.
        workers: processes that read ahead, or auto: one per core, 16 at most, none on the CPU.
        share: of the usual number of utterances per epoch.
        page: where the table goes.
        peer: also crop by crop.
    """

    def __init__(self, size: Size, device: str, workers: str, share: float, page: Page, peer: bool):
        self.size, self.device, self.page, self.peer = size, device, page, peer
        self.embedded = max(64, round(size.embedded * share))
        self.rates: dict[str, float] = {}  # row of the table: utterances per second
        self.failed: list[str] = []  # trainings
        self.utterances = {
            name: [whole_batches(n, share, size.batch) for n in both] for name, both in size.utterances.items()
        }
        if workers == "auto":
            self.workers = 0 if device == "cpu" else min(16, len(os.sched_getaffinity(0)))
        else:
            self.workers = int(workers)
        room = workers_in_shared_memory(size)
        if room < self.workers:
            print(f"gpu.py: /dev/shm holds the batches of {room} workers, not of {self.workers}", file=sys.stderr)
            self.workers = room

    def make_data(self) -> None:
        """Make the data of all trainings in WORK."""
        make_data(self.size, sorted({n for both in self.utterances.values() for n in both}))

    def run(self, only: str | None) -> list[str]:
        """Train, and add the table.

        Args:
            only: dino or dlglc alone. None: both.

        Returns:
            the trainings that failed.
        """
        size, half = self.size, self.size.half
        self.page.text(
            f"Batches of {size.batch}, {self.workers} reading processes; {', '.join(size.encoder + size.head)}; "
            f"{size.classes} clusters. Minutes are for {VOXCELEB2:,} utterances.\n"
        )
        self.page.row(
            "step", "utt/s", "step ms", "waiting for data", "GPU busy", "peak GiB", "VoxCeleb2 epoch, min", "goal"
        )
        self.page.row("---", *["--:"] * 6, "---")
        if only != "dlglc":
            self.dino(half)
        if only != "dino":
            self.stage2(half)
        for name in NAMES.values():
            ours, theirs = f"{name}, {half}", f"{name}, {PEER}"
            if {ours, theirs} <= self.rates.keys():
                ratio = self.rates[ours] / self.rates[theirs]
                self.page.text(f"\n{name}: {ratio:.2f} times as quick as crop by crop.")
        return self.failed

    def dino(self, half: str) -> None:
        """DINO in half precision and in float32, and crop by crop in float32."""
        many, few = self.utterances["dino"]
        settings = [*self.size.encoder, *self.size.head, *CALM["dino"], LONG, "on_collapse=warn"]
        self.train(f"DINO, {half}", "dino", [*settings, f"precision={half}"], [], many)
        if half != "float32":
            self.train("DINO, float32", "dino", [*settings, "precision=float32"], [], few)
        if self.peer:
            self.train(f"DINO, {PEER}", "dino", [*settings, "precision=float32"], [], few)

    def stage2(self, half: str) -> None:
        """An epoch of labels alone, and one of gate and correction, which the paper has in 7 of 15 epochs."""
        many, few = self.utterances["dlglc"]
        model = self.untrained()
        settings = [*CALM["dlglc"], "margin_warmup_epochs=2"]
        gated = ["gate.mode=fixed", "gate.fixed_thresholds=[10.0]", "gate.from_epoch=3", "correction.from_epoch=3"]
        title = f"stage II, {half}"
        clean = f"{title}, with clean predictions"
        self.train(title, "dlglc", [*settings, *gated, f"precision={half}", LONG], [CLUSTERS, model], many, {3: clean})
        if {title, clean} <= self.rates.keys():
            minutes = (8 * minutes_of_an_epoch(self.rates[title]) + 7 * minutes_of_an_epoch(self.rates[clean])) / 15
            mean = "mean of a round's 15 epochs, 7 with clean predictions"
            self.page.row(mean, *[""] * 5, f"{minutes:.1f}", self.size.goals["dlglc"])
        if not self.peer:
            return
        plain = ["gate.mode=none", "correction.mode=none", "precision=float32", LONG]
        self.train(f"stage II, {PEER}", "dlglc", [*settings, *plain], [CLUSTERS, model], few)

    def untrained(self) -> Path:
        """model.pt of an encoder that was never trained."""
        model = WORK / "initial/model.pt"
        data = DATA / f"train{self.utterances['dlglc'][1]}"
        command = [sys.executable, ROOT / "steps/train_dino.py", *self.options(), data, model.parent]
        subprocess.run(
            [*map(str, command), "--set", "epochs=0", *self.size.encoder],
            check=True, stdout=subprocess.DEVNULL, cwd=ROOT,
        )  # fmt: skip
        return model

    def options(self) -> list:
        """Options of both trainers."""
        return ["--noise", WORK / "noise", "--rirs", WORK / "rirs", "--device", self.device]

    def train(
        self, title: str, name: str, settings: list[str], inputs: list[Path], utterances: int, more: dict | None = None
    ) -> None:
        """Run a trainer and add its rows. A batch is done in more parts where memory does not hold it at once.

        Args:
            title: of the row of epoch 2. If it ends in PEER, the steps are those of crop_by_crop.py.
            name: dino or dlglc.
            settings: `key=value` words.
            inputs: arguments between the data directory and OUT_DIR.
            utterances: of an epoch.
            more: epoch: title of further rows.
        """
        out, start, parts = WORK / title.replace(" ", "_").replace(",", ""), time.monotonic(), 1
        script = [ROOT / "tests/bench/crop_by_crop.py"] * title.endswith(PEER) + [ROOT / f"steps/train_{name}.py"]
        settings = [*settings, f"batch_size={self.size.batch}", f"workers={self.workers}"]
        settings += ["average_epochs=1", "checkpoint_minutes=1000"]
        places = [DATA / f"train{utterances}", *inputs, out]
        command = [sys.executable, *script, *self.options(), *places, "--set", *settings]
        rows = {2: title, **(more or {})}
        run = WatchedRun([*map(str, command), "accumulate=1"], out, max(rows))
        while run.out_of_memory and parts < self.size.batch // 2:
            parts *= 2
            run = WatchedRun([*map(str, command), f"accumulate={parts}"], out, max(rows))
        if run.status:
            self.page.row(title, "failed", *[""] * 6)
            self.failed.append(title)
            print(run.said[-4000:], file=sys.stderr)
            return
        for line in map(json.loads, (out / "metrics.jsonl").read_text().splitlines()):
            if line["epoch"] in rows:
                goal = "" if "float32" in title else self.size.goals[name]
                self.add_row(rows[line["epoch"]], line, run, parts, goal)
        print(f"  {title}: {time.monotonic() - start:.0f} s in all", file=sys.stderr, flush=True)

    def add_row(self, title: str, line: dict, run: WatchedRun, parts: int, goal: str) -> None:
        """The row of an epoch, from its line of metrics.jsonl."""
        rate = self.rates[title] = line["utterances_per_second"]
        busy = run.busy.get(line["epoch"], [])[4:]  # the first samples are of the start
        memory = line.get("gpu_gib")
        self.page.row(
            title + (f", in {parts} parts" if parts > 1 else ""),
            f"{rate:,.0f}",
            f"{1000 * self.size.batch / rate:.0f}",
            f"{100 * line['data_wait']:.0f} %",
            f"{sum(busy) / len(busy):.0f} %" if busy else "",
            f"{memory:.1f}" if memory else f"{run.resident:.1f} (process)",
            f"{minutes_of_an_epoch(rate):.1f}",
            goal,
        )


def whole_batches(utterances: int, share: float, batch: int) -> int:
    """A share of the utterances, in whole batches, two at least."""
    return max(2, round(utterances * share / batch)) * batch


def workers_in_shared_memory(size: Size) -> int:
    """Reading processes whose batches /dev/shm holds: two batches each, of 16-bit crops and half as much noise."""
    batch = size.batch * CROPPED * 16000 * 2 * 1.5
    disk = os.statvfs("/dev/shm")
    return int(disk.f_bavail * disk.f_frsize / (2 * batch))


def minutes_of_an_epoch(rate: float) -> float:
    """Minutes of an epoch of VoxCeleb2 at so many utterances per second."""
    return VOXCELEB2 / rate / 60
