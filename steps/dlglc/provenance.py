"""The record of what an output was made from.

A finished output is reused if its record is the same as before, and its files are those that were written. Otherwise it
is made again from the beginning, so that parts made with different settings are never mixed.
"""

import hashlib
import json
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .console import log
from .errors import RecipeError
from .files import digest_of, write_text

# A fingerprint covers the files that an scp names, up to this many. More files (a corpus that is read in place) would
# take minutes on a shared file system.
MAX_FILES = 10_000
MAX_BYTES = 2**26  # of the files without a record whose contents are hashed, all together

RECORDS = ("packed.json", "feats.json", "embedding.json", "stamp.json")  # names of records of arks, beside them
SAMPLES, SAMPLE = 16, 4096  # an output is looked at in so many places, of so many bytes, when it is used


def fingerprint(path: str | Path) -> str:
    """Hash of a file's contents. For an scp of few files (arks), the hash also covers their contents.

    Such an scp can stay the same although its arks have changed. The record beside an ark has the hash of its contents.
    Files without a record (noise clips) are hashed if they are small together: the same clips made again count as
    the same. Larger ones are judged by size and time.
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
        there = [place for place in files if os.path.exists(place)] if len(files) <= MAX_FILES else []
        known = {place: recorded_hash(Path(os.fsdecode(place))) for place in there}
        small = sum(os.path.getsize(place) for place in there if not known[place]) <= MAX_BYTES
        for place in there:
            digest.update(place + b" " + (known[place] or state_of(place, small)).encode())
    return digest.hexdigest()[:16]


def state_of(path: bytes, wholly: bool) -> str:
    """Hash of the contents of a file without a record, or its size and time."""
    if wholly:
        with open(path, "rb") as file:
            return digest_of(file, os.fstat(file.fileno()).st_size)
    status = os.stat(path)
    return f"{status.st_size} {status.st_mtime_ns}"


def mark_of(path: Path) -> dict[str, Any]:
    """The size of a file and two hashes: of all of it, and of some places of it."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        return {"bytes": size, "sample": sample_of(path), "sha256": digest_of(file, size)}


def sample_of(path: Path) -> str:
    """Hash of SAMPLES places of a file, which are evenly spread from its beginning to its end."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        last = max(0, os.fstat(file.fileno()).st_size - SAMPLE)
        for place in range(SAMPLES):
            digest.update(os.pread(file.fileno(), SAMPLE, last * place // (SAMPLES - 1)))
    return digest.hexdigest()[:16]


def damage(path: Path, mark: dict[str, Any], wholly: bool = False) -> str:
    """What is wrong with an output: gone, another size, other contents; empty if nothing.

    Args:
        mark: from mark_of, when it was written.
        wholly: read all of it. False: only its size and some places, which takes no time.
    """
    try:
        size = path.stat().st_size
        if size != mark["bytes"]:
            return f"{path} has {size} bytes, {mark['bytes']} were written"
        if sample_of(path) != mark["sample"] or (wholly and mark_of(path)["sha256"] != mark["sha256"]):
            return f"{path} is not what was written: its checksum differs"
    except OSError as error:
        return f"{path} is gone" if isinstance(error, FileNotFoundError) else f"{path}: {error.strerror}"
    return ""


def damages(record: Path, wholly: bool = False) -> list[str]:
    """What is wrong with the outputs of a record on the disk, as damage says it."""
    marks = (read_record(record) or {}).get("outputs", {})
    found = [damage(record.parent / name, mark, wholly) for name, mark in marks.items()]
    return [reason for reason in found if reason]


def recorded_hash(path: Path, wholly: bool = False) -> str | None:
    """The hash of a file by the record beside it; None if there is no such record.

    Raises:
        RecipeError: the file is not what was written (see damage).
    """
    for record in (path.with_name(name) for name in RECORDS):
        mark = (read_record(record) or {}).get("outputs", {}).get(path.name)
        if mark:
            if wrong := damage(path, mark, wholly):
                raise RecipeError(
                    f"{wrong}: run the stage that writes it again; if the change is meant, remove {record}"
                )
            return str(mark["sha256"])
    return None


def read_record(path: Path) -> dict[str, Any] | None:
    """The record in a file; None if there is none, or if it is damaged."""
    try:
        record = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not all(isinstance(record.get(k), dict) for k in ("settings", "inputs")):
        return None
    marks = record.get("outputs", {})
    keys = {"bytes", "sample", "sha256"}
    if not isinstance(marks, dict) or not all(isinstance(m, dict) and m.keys() == keys for m in marks.values()):
        return None
    return record


class Stamp:
    """The record `NAME.json` beside an output: settings, fingerprints of the inputs, and marks of the outputs.

    Args:
        path: file of the record.
        settings: the settings that determine the output, as plain values or settings objects.
        inputs: the files that determine the output. Entries that are None are left out.
        outputs: the files that are written. A record of version 0.2 has none of them.
    """

    def __init__(
        self, path: str | Path, settings: dict[str, Any], inputs: list[Path | None], outputs: Sequence[Path] = ()
    ):
        self.path, self.outputs = Path(path), outputs
        files = {str(p): fingerprint(p) for p in inputs if p is not None}
        plain = {key: value.model_dump() if hasattr(value, "model_dump") else value for key, value in settings.items()}
        self.record: dict[str, Any] = json.loads(json.dumps({"settings": plain, "inputs": files}))

    def read(self) -> dict[str, Any] | None:
        """Settings and inputs of the record on the disk; None if there is none, or if it is damaged."""
        record = read_record(self.path)
        return record and {key: record[key] for key in ("settings", "inputs")}

    @property
    def damaged(self) -> bool:
        """True if there is a record on the disk that cannot be read."""
        return self.path.exists() and self.read() is None

    @property
    def identity(self) -> str:
        """Hash of settings and inputs."""
        return hashlib.sha256(json.dumps(self.record, sort_keys=True).encode()).hexdigest()

    def matches(self) -> bool:
        """True if the record on the disk is the same as this one."""
        return self.read() == self.record

    def reuse(self, output: str | Path) -> bool:
        """Decide whether a finished output can be reused.

        Returns:
            True if the record on the disk is the same as this one, and the files are those that were written. The log
            says so. Otherwise False: the record on the disk is removed. The caller then makes the output and calls
            write().
        """
        if self.matches():
            wrong = damages(self.path) or [f"{path} is gone" for path in self.outputs if not path.exists()]
            if not wrong:
                log.info("%s is finished: reused", output)
                return True
            log.info("%s: it is made again", "; ".join(wrong))
        self.clear()
        return False

    def differences(self) -> list[str]:
        """The differences between the record on the disk and this one: 'epochs: 8, now 10', 'wav.scp changed'."""
        return compare(self.read() or {}, self.record)

    def write(self, strict: bool = True) -> None:
        """Write the record, with marks of those outputs that are there. Call this when the output is finished.

        Args:
            strict: False = only warn of changed inputs, for what took days.

        Raises:
            RecipeError: an input is no longer what it was when this record was made. Nobody knows which one was read.
        """
        for name, before in self.record["inputs"].items():
            if fingerprint(name) != before:
                said = f"{name} changed while {self.path.parent} was made from it"
                if strict:
                    raise RecipeError(f"{said}: run the same command again")
                log.warning("%s: the next run will take it for another input", said)
        there = [path for path in self.outputs if path.exists()]
        marks = {os.path.relpath(path, self.path.parent): mark_of(path) for path in there}
        record = {**self.record, "outputs": marks} if marks else self.record
        write_text(self.path, json.dumps(record, indent=1) + "\n")

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
    """The input files of an output that have changed since it was made, and damage of the output itself.

    Args:
        path: record of the output. The names of its inputs are relative to the working directory.

    Returns:
        A sentence for each of them. Empty if there is no record.
    """
    record = read_record(Path(path)) or {}
    found = []
    for name, mark in record.get("inputs", {}).items():
        try:
            if not os.path.exists(name):
                found.append(f"{name} is gone")
            elif fingerprint(name) != mark:
                found.append(f"{name} has changed")
        except RecipeError as error:
            found.append(str(error))
    return found + damages(Path(path))


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
