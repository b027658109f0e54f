"""One process at a time in a folder: a lock that says who holds it, and that ends with its process.

The lock is a POSIX record lock (fcntl) on FOLDER/in_use.json. The kernel, or over NFS the server, gives it back however
its process ends, also after kill -9. Unlike flock(), it is not inherited by the processes that read data.

Some file systems have no such locks, or have them within one machine only (NFS with nolock, Lustre with localflock).
So the holder also writes a counter into the file every BEAT seconds. A process of another machine that gets the lock
watches this counter for SILENCE seconds. A counter that goes on means that the holder lives. No clock is compared.
"""

import errno
import fcntl
import json
import os
import shlex
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .console import log
from .errors import RecipeError
from .files import NO_LOCKS

NAME = "in_use.json"
BEAT = 10.0  # seconds between two signs of life
SILENCE = 35.0  # seconds without one, after which a holder on another machine counts as dead
PAUSE = 0.5  # seconds between two looks at a lock


@contextmanager
def only_process(folder: Path, wait: bool, elsewhere: str = "") -> Iterator[None]:
    """Hold a folder for this process.

    Args:
        folder: it is created if necessary.
        wait: if another process holds it, wait until it is free. False: refuse.
        elsewhere: what to do instead of waiting, for the message of a refusal.

    Raises:
        RecipeError: another process holds the folder, and wait is False.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        lock = _taken(folder / NAME, wait, elsewhere)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        yield  # nothing can be written here: a finished output can be reused, and all else fails by itself
        return
    try:
        yield
    finally:
        lock.release()


def describe(holder: dict[str, Any]) -> str:
    """Who holds a lock: process, machine, time and command."""
    job = f", job {holder['job']}" if holder.get("job") else ""
    return (
        f"process {holder.get('pid', 'unknown')} on {holder.get('host', 'unknown')}{job}, since "
        f"{holder.get('since', 'unknown')} ({holder.get('command', 'unknown')})"
    )


def _taken(path: Path, wait: bool, elsewhere: str) -> "_Lock":
    """The lock, once nobody else holds it."""
    watch, said = _Watch(), False
    while True:
        lock = _Lock(path)
        state = watch.state(lock) if lock.fresh else "removed"
        if state == "free":
            lock.hold()
            return lock
        who = describe(lock.read())
        lock.close()
        if state == "held" and not wait:
            raise RecipeError(f"{path.parent}: in use by {who}. Wait until it ends or stop it, or {elsewhere}")
        if state != "removed" and not said:
            log.info("%s: %s: %s", path.parent, "waiting for" if state == "held" else "does it still live?", who)
            said = True
        time.sleep(PAUSE)


class _Watch:
    """Looks at a lock again and again, until it is known whether a holder on another machine lives."""

    def __init__(self) -> None:
        self.seen: dict[str, Any] = {}  # what the holder wrote last
        self.since = 0.0

    def state(self, lock: "_Lock") -> str:
        """free, held, or doubtful: look again."""
        if not lock.locked and not lock.without_locks:
            return "held"
        holder = lock.read()
        if not holder or lock.dead_here(holder):
            return "free"
        if holder != self.seen:
            known, self.seen, self.since = bool(self.seen), holder, time.monotonic()
            return "held" if known else "doubtful"
        return "free" if time.monotonic() - self.since >= SILENCE else "doubtful"


class _Lock:
    """An open lock file.

    Attributes:
        locked: True if this process has the kernel's lock.
        without_locks: True if the file system has no locks.
        fresh: False if the file was removed by its holder meanwhile. It has to be opened again.
    """

    def __init__(self, path: Path):
        self.path = path
        self.file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self.locked = self.without_locks = False
        self._ended = threading.Event()
        try:
            fcntl.lockf(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.locked = True
        except OSError as error:
            self.without_locks = error.errno in NO_LOCKS
            if not self.without_locks and error.errno not in (errno.EACCES, errno.EAGAIN):
                os.close(self.file)
                raise
        try:
            self.fresh = os.path.samestat(os.stat(path), os.fstat(self.file))
        except FileNotFoundError:
            self.fresh = False

    def close(self) -> None:
        os.close(self.file)

    def read(self) -> dict[str, Any]:
        """What the file says of its holder; empty if nothing, or not yet, or not any more."""
        try:
            holder = json.loads(os.pread(self.file, 1 << 16, 0))
        except ValueError:
            return {}
        return holder if isinstance(holder, dict) else {}

    def dead_here(self, holder: dict[str, Any]) -> bool:
        """True if the holder was of this machine and does not live any more."""
        if holder.get("host") != socket.gethostname():
            return False
        return self.locked or _start_of(holder.get("pid")) != holder.get("start")

    def hold(self) -> None:
        """Write who holds the lock, now and every BEAT seconds."""
        self.holder: dict[str, Any] = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "start": _start_of(os.getpid()),
            "job": os.environ.get("SLURM_JOB_ID", ""),
            "since": time.strftime("%Y-%m-%d %H:%M:%S"),
            "command": shlex.join(sys.argv)[:1000],
            "beat": 0,
        }
        self._write()
        threading.Thread(target=self._live, daemon=True).start()

    def _write(self) -> None:
        text = (json.dumps(self.holder) + "\n").encode()
        os.pwrite(self.file, text, 0)
        os.ftruncate(self.file, len(text))

    def _live(self) -> None:
        while not self._ended.wait(BEAT):
            self.holder["beat"] += 1
            with suppress(OSError):  # a full disk, say: the kernel's lock still holds
                self._write()

    def release(self) -> None:
        """Remove the file while it is locked, so that nobody takes it for that of another process."""
        self._ended.set()
        try:
            self.path.unlink(missing_ok=True)
        except KeyboardInterrupt:  # Ctrl-C at this moment: once more, so that nothing stays
            self.path.unlink(missing_ok=True)
            raise
        finally:
            self.close()


def _start_of(pid: Any) -> str:
    """When a process of this machine began, in its kernel's own unit; empty if it does not run."""
    try:
        return Path(f"/proc/{int(pid)}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, TypeError, ValueError, IndexError):
        return ""
