"""What an output was made from: a finished stage is reused when nothing changed, never mixed when something did."""

import hashlib
import json
import os
import re
from pathlib import Path

from .datadir import write_text

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
        settings: plain values that decide the output.
        inputs: files that decide it; None entries are left out.
    """

    def __init__(self, path: str | Path, settings: dict, inputs: list):
        self.path = Path(path)
        files = {str(p): fingerprint(p) for p in inputs if p is not None}
        self.record = json.loads(json.dumps({"settings": settings, "inputs": files}))

    def read(self) -> dict | None:
        """The record that stands there, or None."""
        try:
            return json.loads(self.path.read_text())
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


def _flat(tree: dict, prefix: str = "") -> dict:
    flat = {}
    for key, value in tree.items():
        flat.update(_flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value})
    return flat
