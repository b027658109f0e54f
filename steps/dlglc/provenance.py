"""The record of what an output was made from.

A finished output is reused if its record is the same as before. Otherwise it is made again from the beginning, so that
parts made with different settings are never mixed.
"""

import hashlib
import json
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from .console import log
from .errors import RecipeError
from .files import write_text

# A fingerprint covers the files that an scp names, up to this many. More files (a corpus that is read in place) would
# take minutes on a shared file system.
MAX_FILES = 10_000


def fingerprint(path: str | Path) -> str:
    """Hash of a file's contents. For an scp of few files (arks), the hash also covers their sizes and times.

    Such an scp can stay the same although its arks have changed.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        reason = "no such file" if isinstance(error, (FileNotFoundError, NotADirectoryError)) else error.strerror
        raise RecipeError(f"{path}: {reason}: name another, or run the stage that writes it") from None
    digest = hashlib.sha256(data)
    if str(path).endswith(".scp"):
        places = (line.split(None, 1)[-1] for line in data.splitlines() if line and not line.endswith(b"|"))
        files = sorted({re.sub(rb":\d+$", b"", place) for place in places})
        for place in files if len(files) <= MAX_FILES else []:
            if os.path.exists(place):
                status = os.stat(place)
                digest.update(b"%s %d %d" % (place, status.st_size, status.st_mtime_ns))
    return digest.hexdigest()[:16]


class Stamp:
    """The record `NAME.json` beside an output: settings and fingerprints of the inputs.

    Args:
        path: file of the record.
        settings: the settings that determine the output, as plain values or settings objects.
        inputs: the files that determine the output. Entries that are None are left out.
    """

    def __init__(self, path: str | Path, settings: dict[str, Any], inputs: list[Path | None]):
        self.path = Path(path)
        files = {str(p): fingerprint(p) for p in inputs if p is not None}
        plain = {key: value.model_dump() if isinstance(value, BaseModel) else value for key, value in settings.items()}
        self.record: dict[str, Any] = json.loads(json.dumps({"settings": plain, "inputs": files}))

    def read(self) -> dict[str, Any] | None:
        """The record on the disk, or None."""
        try:
            record: dict[str, Any] = json.loads(self.path.read_text())
            return record
        except (FileNotFoundError, json.JSONDecodeError):
            return None

    def matches(self) -> bool:
        """True if the record on the disk is the same as this one."""
        return self.read() == self.record

    def reuse(self, output: str | Path) -> bool:
        """Decide whether a finished output can be reused.

        Returns:
            True if the record on the disk is the same as this one. The log says so. Otherwise False: the record on the
            disk is removed. The caller then makes the output and calls write().
        """
        if self.matches():
            log.info("%s is finished: reused", output)
            return True
        self.clear()
        return False

    def differences(self) -> list[str]:
        """The differences between the record on the disk and this one: 'epochs: 8, now 10', 'wav.scp changed'."""
        return compare(self.read() or {}, self.record)

    def write(self) -> None:
        """Write the record. Call this when the output is finished."""
        write_text(self.path, json.dumps(self.record, indent=1) + "\n")

    def clear(self) -> None:
        """Remove the record from the disk. Call this before the output is changed."""
        self.path.unlink(missing_ok=True)


def compare(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """The differences between two records: settings with both values, names of files."""
    before, after = flatten(old.get("settings", {})), flatten(new.get("settings", {}))
    found = [
        f"{key}: {before.get(key, 'not there')}, now {after.get(key, 'gone')}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]
    then, now = old.get("inputs", {}), new.get("inputs", {})
    found += [f"{name} has changed" for name in sorted(then.keys() & now.keys()) if then[name] != now[name]]
    found += [f"made from {name}" for name in sorted(then.keys() - now.keys())]
    return found + [f"now from {name}" for name in sorted(now.keys() - then.keys())]


def changed_inputs(path: str | Path) -> list[str]:
    """The input files of an output that have changed since it was made.

    Args:
        path: record of the output. The names of its inputs are relative to the working directory.

    Returns:
        A sentence for each changed input. Empty if there is no record.
    """
    try:
        record: dict[str, Any] = json.loads(Path(path).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return []
    found = []
    for name, mark in record.get("inputs", {}).items():
        if not os.path.exists(name):
            found.append(f"{name} is gone")
        elif fingerprint(name) != mark:
            found.append(f"{name} has changed")
    return found


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as one dict with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat.update(flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value})
    return flat


def describe_code() -> str:
    """The git revision, with a mark if files were changed since, or "no git"."""
    here = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return "no git"
    return f"git {done.stdout.strip()}" if done.returncode == 0 else "no git"


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe_machine() -> str:
    """Processor, number of cores, GPU and version of torch."""
    name = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            name = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), name)
    import torch  # here: it takes seconds to import, and only reports and trainings describe the machine

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"{name}, {os.cpu_count()} cores, {device}, torch {torch.__version__}"
