"""A training that is killed and resumed, and two trainings that share a device, for tests/bench/gpu.sh.

On a GPU, the same training twice does not give the same bits. So the difference that a kill makes stands beside that of
two trainings which nobody disturbed. Differences are relative to how far the training moved the weights.
"""

import json
import shutil
import subprocess
import sys
import time
from multiprocessing.pool import ThreadPool
from pathlib import Path

import torch
from gpu_data import DATA
from gpu_sizes import WORK
from gpu_trainings import CALM, Trainings
from measure import ROOT
from watched import WatchedRun

from dlglc.encoders.models import load_model

EPOCHS = 3


class Endings:
    """Both measurements, on DINO in float32 and on few utterances.

    Args:
        trainings: what the trainings before had: size, device, workers, page.
    """

    def __init__(self, trainings: Trainings):
        self.trainings, self.page = trainings, trainings.page
        self.data = DATA / f"train{trainings.utterances['dino'][1]}"
        self.whole = WORK / "whole"  # the training that nobody disturbs

    def run(self) -> list[str]:
        """Add both tables. Returns what failed."""
        failed = []
        finished(WatchedRun(self.command(self.whole), self.whole))
        self.start = weights(self.trainings.untrained().parent)
        for part in (self.killed_and_resumed, self.two_at_once):
            try:
                part()
            except RuntimeError as error:
                failed.append(part.__name__)
                print(f"gpu.py: {part.__name__}: {error}", file=sys.stderr)
        return failed

    def command(self, out: Path, *words: str) -> list[str]:
        """The command line of a training."""
        size = self.trainings.size
        settings = [
            *size.encoder,
            *size.head,
            *CALM["dino"],
            "on_collapse=warn",
            "average_epochs=1",
            "precision=float32",
        ]
        settings += [f"epochs={EPOCHS}", f"batch_size={size.batch}", f"workers={self.trainings.workers}", *words]
        options = [*self.trainings.options(), self.data, out, "--set", *settings]
        return [*map(str, [sys.executable, ROOT / "steps/train_dino.py", *options])]

    def killed_and_resumed(self) -> None:
        """A training whose process is killed in its second epoch ends like one that nobody disturbed."""
        killed = WORK / "killed"
        shutil.rmtree(killed, ignore_errors=True)
        command = self.command(killed, "checkpoint_minutes=0")  # a checkpoint after every update
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and not (killed / "metrics.jsonl").exists():
            time.sleep(0.05)
        seen: set[int] = set()  # times of checkpoints: that of the epoch, then one in the middle of the next
        while process.poll() is None and len(seen) < 3:
            seen.add((killed / "checkpoint.pt").stat().st_mtime_ns)
            time.sleep(0.01)
        process.kill()
        if process.wait() != -9:
            raise RuntimeError("the training ended before it was killed")
        before = time.monotonic()
        again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if again.returncode:
            raise RuntimeError(f"the killed training cannot go on: {(again.stdout + again.stderr)[-2000:]}")
        resumed = next(line for line in (again.stdout + again.stderr).splitlines() if "resuming at" in line)
        self.page.text("\n")
        self.page.row("killed (SIGKILL) and resumed", "resumed, s", "weights differ by")
        self.page.row("---", *["--:"] * 2)
        self.page.row(
            f"DINO, float32, {resumed[resumed.index('resuming') :]}",
            f"{time.monotonic() - before:.0f}",
            self.difference(self.whole, killed),
        )

    def two_at_once(self) -> None:
        """Two trainings on one device, beside one alone."""
        outs = [self.whole, WORK / "one", WORK / "other"]
        with ThreadPool(2) as pool:
            pool.map(lambda out: finished(WatchedRun(self.command(out), out)), outs[1:])
        alone, both = rates(outs[:1]), rates(outs[1:])
        self.page.text("\n")
        titles = ["utt/s of each", "together, of one alone", "peak GiB of each", "weights differ by"]
        self.page.row("trainings on one device", *titles)
        self.page.row("---", *["--:"] * 4)
        for title, found, places in (("one", alone, outs[:1]), ("two at once", both, outs[1:])):
            memory = [line["gpu_gib"] for out in places for line in lines(out)[-1:] if "gpu_gib" in line]
            self.page.row(
                f"DINO, float32, {title}",
                " and ".join(f"{rate:,.0f}" for rate in found),
                f"{sum(found) / alone[0]:.2f}",
                " and ".join(f"{gib:.1f}" for gib in memory),
                self.difference(*places) if len(places) == 2 else "",
            )

    def difference(self, one: Path, other: Path) -> str:
        """How far two trainings ended from each other, of the way that the first one went."""
        ends = [weights(out) for out in (one, other)]
        far = float((ends[0] - ends[1]).norm() / (ends[0] - self.start).norm())
        return f"{far:.1e}" if far else "none: the same bits"


def finished(run: WatchedRun) -> WatchedRun:
    """A run, if it ended well.

    Raises:
        RuntimeError: it did not.
    """
    if run.status:
        raise RuntimeError(f"a training failed: {run.said[-2000:]}")
    return run


def rates(outs: list[Path]) -> list[float]:
    """Utterances per second of the last epoch of each training."""
    return [lines(out)[-1]["utterances_per_second"] for out in outs]


def lines(out: Path) -> list[dict]:
    """The epochs of a training."""
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def weights(out: Path) -> torch.Tensor:
    """All weights of the encoder of a training, without the statistics of batch norm."""
    return torch.cat([one.detach().flatten().double() for one in load_model(out / "model.pt").encoder.parameters()])
