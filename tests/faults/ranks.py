"""A training of two processes (gloo on the CPU), of which one is killed. The other one must say so and end, and the
same command must end with the same bits as if nothing had happened.
"""

import os
import random
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

from faults.forks import Ended, Moment, Trial, run_together, script_of
from faults.kitchen import contents, same
from support.training import dino_arguments

WORLD = 2
GRACE = 20.0  # seconds until the launcher ends the other process, as torchrun does at once
SIGNALS = (signal.SIGKILL, signal.SIGTERM)


class Ranks:
    """Trainings of two processes.

    Args:
        top: an empty folder.
        tiny: the corpus.
    """

    def __init__(self, top: Path, tiny: Path):
        self.out, self.folders = top / "dino", [top / f"rank{rank}" for rank in range(WORLD)]
        for folder in self.folders:
            folder.mkdir(parents=True)
        self.words = ["steps/train_dino.py", *dino_arguments(tiny, self.out, "checkpoint_minutes=0", "epochs=2")]
        done = self.run()
        assert [one.status for one in done] == [0, 0], [one.text for one in done]
        self.events = done[0].events
        self.expected = contents(self.out)

    def run(self, victim: int = 0, moment: Moment | None = None) -> list[Ended]:
        """Both processes to their end; one of them gets a signal at a moment."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        trials = []
        for rank, folder in enumerate(self.folders):
            places = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": WORLD, "MASTER_PORT": port}
            values = {name: str(value) for name, value in places.items()} | {"MASTER_ADDR": "127.0.0.1"}
            go = script_of(self.words, lambda values=values: os.environ.update(values))
            trials.append(Trial(go, folder, moment if rank == victim else None))
        return run_together(trials, grace=GRACE)

    def trial(self, victim: int, moment: Moment) -> str:
        """Disturb one process, and run both again; what is wrong, or nothing."""
        shutil.rmtree(self.out, ignore_errors=True)
        done = self.run(victim, moment)
        other = done[1 - victim]
        if any(one.left or one.hung for one in done):
            return f"processes were left, or hung: {other.text[-500:]}"
        if other.traced:
            return f"a traceback: {other.text[-700:]}"
        if done[victim].status < 0 and other.status not in (0, 1, -signal.SIGTERM):  # of the launcher
            return f"the other process ended with {other.status}"
        if done[victim].status < 0 and other.status == 1 and ": error: " not in other.text:
            return f"no message: {other.text[-500:]}"
        again = self.run()
        if any(one.status or one.left for one in again):
            return f"the next run: {[one.text[-500:] for one in again if one.status]}"
        if list(self.out.rglob("*.tmp")) or list(self.out.rglob("in_use.json")):
            return "something was left behind"
        return "" if same(contents(self.out), self.expected) else "other contents"

    def trials(self, count: int, seed: int) -> Iterator[tuple[str, str]]:
        """Signals to the first and the second process in turn: what was done, and what is wrong."""
        rng = random.Random(seed)
        for number in range(count):
            victim, sent = number % WORLD, SIGNALS[number // WORLD % len(SIGNALS)]
            # The second process writes no file, so its moments are times.
            moment = Moment(event=rng.randrange(self.events), sent=sent) if victim == 0 else None
            moment = moment or Moment(seconds=rng.uniform(0.2, 3.0), sent=sent)
            yield f"rank {victim} {moment}", self.trial(victim, moment)
