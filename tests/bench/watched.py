"""A trainer under observation, for tests/bench/gpu.sh."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from measure import ROOT


class WatchedRun:
    """Runs a trainer to its end and samples how busy the GPU is during each epoch.

    Args:
        command: of the trainer.
        out: its OUT_DIR. Anything in it is removed first.
        epochs: the trainer is stopped after so many, as if it had ended well; None = it runs to its end.

    Attributes:
        status: exit status.
        said: output.
        busy: epoch (from 1): samples of the share of time in which the GPU was busy, per cent.
        resident: peak memory of the process, GiB.
        seconds: wall clock.
    """

    def __init__(self, command: list[str], out: Path, epochs: int | None = None):
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        self.busy: dict[int, list[float]] = {}
        started = time.monotonic()
        with open(out / "said", "w+") as said:
            process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, cwd=ROOT)
            while True:
                pid, status, usage = os.wait4(process.pid, os.WNOHANG)
                if pid:
                    break
                self.sample(out / "metrics.jsonl")
                if epochs and epochs_in(out / "metrics.jsonl") >= epochs:
                    process.terminate()
                time.sleep(0.4)
            process.returncode = self.status = os.waitstatus_to_exitcode(status)
            if epochs and self.status == -signal.SIGTERM:
                self.status = 0
            said.seek(0)
            self.said, self.resident = said.read(), usage.ru_maxrss / 2**20
        self.seconds = time.monotonic() - started

    @property
    def out_of_memory(self) -> bool:
        """True if the trainer stopped because the GPU's memory does not hold a batch."""
        return self.status != 0 and ("out of memory" in self.said.lower() or "ALLOC_FAILED" in self.said)

    def sample(self, metrics: Path) -> None:
        """Ask nvidia-smi once. The epoch is told by the lines of metrics.jsonl."""
        if not shutil.which("nvidia-smi"):
            return
        gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
        query = ["nvidia-smi", "-i", gpu, "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
        done = subprocess.run(query, capture_output=True, text=True, check=False)
        epoch = 1 + epochs_in(metrics)
        if done.returncode == 0 and done.stdout.strip().isdigit():
            self.busy.setdefault(epoch, []).append(float(done.stdout))


def epochs_in(metrics: Path) -> int:
    """Epochs that have ended, by the lines of metrics.jsonl."""
    return metrics.read_text().count("\n") if metrics.exists() else 0
