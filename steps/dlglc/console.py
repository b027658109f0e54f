"""What every script needs: help from its docstring, errors without a traceback, log lines, progress."""

import argparse
import errno
import logging
import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO, TypeVar

from tqdm import tqdm

from .errors import RecipeError

log = logging.getLogger("dlg-lc")

Item = TypeVar("Item")


class Parser(argparse.ArgumentParser):
    """An argument parser whose `--set` takes `key=value` words only.

    `--set a=1 b=2 DIR` sets two keys, and DIR is a positional argument. argparse alone would also give DIR to --set.
    """

    def parse_known_args(self, args: Iterable[str] | None = None, namespace: Any = None) -> Any:
        """Like argparse, after split_set."""
        return super().parse_known_args(split_set(sys.argv[1:] if args is None else list(args)), namespace)


def split_set(words: list[str]) -> list[str]:
    """Turn `--set a=1 b=2 DIR` into `--set=a=1 --set=b=2 DIR`. A --set without an assignment behind it is kept."""
    out: list[str] = []
    setting = False
    for word in words:
        if setting and re.match(r"[A-Za-z_][\w.]*=", word):
            if out[-1] == "--set":
                out.pop()
            out.append(f"--set={word}")
        else:
            setting = word == "--set"
            out.append(word)
    return out


def parser(doc: str | None) -> Parser:
    """A parser whose --help is the docstring of the script: what it does, reads and writes, and an example."""
    return Parser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)


def add_device_option(parser: argparse.ArgumentParser) -> None:
    """Add --device, as training.distributed.Processes takes it."""
    parser.add_argument("--device", default="auto", help="auto (a GPU if there is one), cpu or cuda (default: auto)")


def run(main: Callable[[], None], log_to: TextIO | None = None) -> None:
    """Call main(). An error becomes one message on stderr and exit status 1, if its user can mend its cause.

    Args:
        log_to: where log lines go; None = standard output.
    """
    logging.basicConfig(
        stream=log_to or sys.stdout, level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%Y-%m-%d %H:%M:%S"
    )
    end_with_run_sh()
    try:
        main()
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output (head, less) has closed the pipe
        sys.exit(1)
    except RecipeError as error:
        _end(str(error))
    except MemoryError:
        _end("no memory is left: give it more, or split the input")
    except OSError as error:
        _end(explain_os_error(error))
    except KeyboardInterrupt:
        _end("stopped by Ctrl-C; the same command goes on", 130)


def end_with_run_sh() -> None:
    """End this process when the run.sh that it belongs to is gone: killed, so that it could not stop its jobs.

    run.sh says in RUN_SH who it is, as HOST:PID. Processes on other machines are for Slurm to stop.
    """
    host, _, pid = os.environ.get("RUN_SH", "").rpartition(":")
    if host != socket.gethostname() or not pid.isdecimal():
        return

    def watch() -> None:
        while lives(int(pid)):
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def lives(pid: int) -> bool:
    """True if a process of this machine has not ended. One that was not waited for by its parent yet has ended."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except ProcessLookupError:
        return False
    except (OSError, IndexError):  # of another user; or no /proc here
        return not Path("/proc/self").exists() or Path(f"/proc/{pid}").exists()


def _end(message: str, status: int = 1) -> None:
    script = sys.argv[0].rsplit("/", 1)[-1]
    print(f"{script}: error: {message}", file=sys.stderr)
    sys.exit(status)


REMEDIES = {
    errno.ENOSPC: "the disk is full: make room and run it again",
    errno.EDQUOT: "your quota of the disk is used up: make room and run it again",
    errno.EFBIG: "the file would be larger than allowed (ulimit -f): raise the limit and run it again",
    errno.EROFS: "this disk cannot be written to: choose another place",
    errno.EACCES: "permission denied: mend its owner or its mode (ls -l), or choose another place",
    errno.EPERM: "permission denied: mend its owner or its mode (ls -l), or choose another place",
    errno.ENOENT: "no such file or folder: check the path, or run the stage that writes it",
    errno.EISDIR: "a folder stands where a file should: check the path",
    errno.ENOTDIR: "a file stands where a folder should: check the path",
    errno.EMFILE: "too many open files: raise the limit (ulimit -n)",
    errno.ENAMETOOLONG: "the name is too long for this disk: choose a shorter one",
    errno.EIO: "the disk does not answer as it should: check it",
}


def explain_os_error(error: OSError) -> str:
    """What the system refused: the file, the reason, and what to do."""
    remedy = REMEDIES.get(error.errno or 0, error.strerror or str(error))
    where = error.filename2 or error.filename
    return remedy if where is None else f"{os.fsdecode(where) if isinstance(where, bytes) else where}: {remedy}"


def progress(iterable: Iterable[Item], total: int, what: str, every: float = 30.0) -> Iterator[Item]:
    """Iterate and show the progress: a bar on a terminal, else a log line every `every` seconds.

    Args:
        iterable: the items.
        total: their number.
        what: their name, e.g. "utterances".
        every: seconds between two log lines.
    """
    if sys.stderr.isatty():
        yield from tqdm(iterable, total=total, unit=f" {what}", leave=False)
        return
    start = last = time.monotonic()
    for done, item in enumerate(iterable, 1):
        yield item
        now = time.monotonic()
        if now - last >= every:
            last = now
            rate = done / (now - start)
            log.info("%d of %d %s, %.1f per second, %.0f s left", done, total, what, rate, (total - done) / rate)
