"""Outputs against their checksums (run.sh --verify)."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..console import log
from ..files import check_archive
from ..provenance import damages, read_record

FOLDERS = ("", "*/", "*/*/", "*/parts/*/", "*/*/parts/*/")  # in which records and models are, below data/x and exp/x
SEALED = ("*.pt", "plda*.npz")  # files that have their checksum inside


class Verified(NamedTuple):
    """What was found.

    Attributes:
        files: number of files that have a checksum.
        unknown: number of finished outputs without one, as version 0.2 wrote them.
        wrong: a sentence for each file that is not what was written.
    """

    files: int
    unknown: int
    wrong: list[str]


def verify(folders: list[Path]) -> Verified:
    """Read every output wholly, and compare it with its checksum.

    Args:
        folders: data directories of a corpus (data/mini) and experiments (exp/mini).
    """
    files = unknown = 0
    wrong: list[str] = []
    for path in found(folders, ("*.json",)):
        record = read_record(path)
        if record is None:
            continue
        outputs = record.get("outputs", {})
        files, unknown = files + len(outputs), unknown + (not outputs)
        wrong += damages(path, wholly=True)
        log.info("%s: %d files read", path, len(outputs))
    for path in found(folders, SEALED):
        try:
            sealed = check_archive(path)
            files, unknown = files + sealed, unknown + (not sealed)
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            wrong.append(f"{path}: {error}")
    return Verified(files, unknown, list(dict.fromkeys(wrong)))


def found(folders: list[Path], names: tuple[str, ...]) -> Iterator[Path]:
    """The files with such names, in the places where the recipe writes them."""
    for folder in folders:
        for place in FOLDERS:
            for name in names:
                yield from sorted(path for path in folder.glob(place + name) if path.is_file())
