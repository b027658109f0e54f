"""What an output was made from: a finished stage is reused when nothing changed, never mixed when something did."""

import hashlib
import json
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel

from .files import write_text

FILES = 10_000  # of an scp that are looked at; more, as of a corpus read in place, take minutes on a shared file system


def fingerprint(path: str | Path) -> str:
    """Hash of a file's contents; for an scp of few files (arks) also of their sizes and times, as its text stays."""
    data = Path(path).read_bytes()
    digest = hashlib.sha256(data)
    if str(path).endswith(".scp"):
        places = (line.split(None, 1)[-1] for line in data.splitlines() if line and not line.endswith(b"|"))
        places = sorted({re.sub(rb":\d+$", b"", place) for place in places})
        for place in places if len(places) <= FILES else []:
            if os.path.exists(place):
                status = os.stat(place)
                digest.update(b"%s %d %d" % (place, status.st_size, status.st_mtime_ns))
    return digest.hexdigest()[:16]


class Stamp:
    """The record `NAME.json` beside an output: settings and fingerprints of the inputs, written when it is finished.

    Args:
        path: the record's file.
        settings: what decides the output, plain values or settings objects.
        inputs: files that decide it; None entries are left out.
    """

    def __init__(self, path: str | Path, settings: dict[str, Any], inputs: list[Path | None]):
        self.path = Path(path)
        files = {str(p): fingerprint(p) for p in inputs if p is not None}
        plain = {key: value.model_dump() if isinstance(value, BaseModel) else value for key, value in settings.items()}
        self.record = json.loads(json.dumps({"settings": plain, "inputs": files}))

    def read(self) -> dict[str, Any] | None:
        """The record that stands there, or None."""
        try:
            return json.loads(self.path.read_text())  # type: ignore[no-any-return]
        except (FileNotFoundError, json.JSONDecodeError):
            return None

    def matches(self) -> bool:
        """True when the record there is this one."""
        return self.read() == self.record

    def differences(self) -> list[str]:
        """Readable list of what differs from the record there, e.g. 'settings.epochs: 8 → 10'."""
        old, new = _flat(self.read() or {}), _flat(self.record)
        return [
            f"{k}: {old.get(k)} → {new.get(k)}" for k in sorted(old.keys() | new.keys()) if old.get(k) != new.get(k)
        ]

    def write(self) -> None:
        """Put the record there."""
        write_text(self.path, json.dumps(self.record, indent=1) + "\n")

    def clear(self) -> None:
        """Take the record away before the output is touched."""
        self.path.unlink(missing_ok=True)


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat.update(_flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value})
    return flat


def describe_code() -> str:
    """The git revision, marked when files differ from it, or "no git"."""
    here = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return "no git"
    return f"git {done.stdout.strip()}" if done.returncode == 0 else "no git"


def describe_machine() -> str:
    """Processor or GPU, cores, torch."""
    name = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            name = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), name)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"{name}, {os.cpu_count()} cores, {device}, torch {torch.__version__}"
