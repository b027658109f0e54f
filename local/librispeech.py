"""LibriSpeech as it was published: its parts, their archives, and the files of an unpacked part."""

import re
from collections.abc import Iterable
from pathlib import Path

from dlglc.errors import RecipeError
from session_trials import Speech

# Part → number of the resource at OpenSLR, MD5 of its archive (md5sum.txt there), utterances.
PARTS = {
    "train-clean-5": (31, "5df7d4e78065366204ca6845bb08f490", 1519),
    "dev-clean-2": (31, "6d7ab67ac6a1d2c993d050e16d61080d", 1089),
    "train-clean-100": (12, "2a93770f6d5c6c964bc36631d331a522", 28_539),
    "train-clean-360": (12, "c0e676e450a7ff2f54aeade5171606fa", 104_014),
    "train-other-500": (12, "d1a0fd59409feb2c614ce4d30c387708", 148_688),
    "dev-clean": (12, "42e2234ba48799c1f50f24a7926300a1", 2703),
    "dev-other": (12, "c8d0bcc9cca99d4f8b62fcc847357931", 2864),
    "test-clean": (12, "32fa31d27d2e1cad72775fee3f4849a9", 2620),
    "test-other": (12, "fb5a50374b501bb3bac4815ee91d3135", 2939),
}
DEPTH = 3  # most folders between CORPUS_DIR and a part
UTTERANCE = re.compile(r"(\d+)-(\d+)-\d+")  # speaker-chapter-number


def archive_of(part: str) -> str:
    """Path of the archive of a part at OpenSLR."""
    return f"{PARTS[part][0]}/{part}.tar.gz"


def find_part(corpus_dir: Path, part: str) -> Path | None:
    """The folder of a part, whose sub-folders are SPEAKER/CHAPTER; None if the part is not there."""
    for depth in range(DEPTH + 1):
        for folder in sorted(corpus_dir.glob("/".join(["*"] * depth + [part]))):
            if any(name.name.isdigit() for name in folder.iterdir()):
                return folder
    return None


def read_parts(folders: Iterable[Path]) -> Speech:
    """The utterances of unpacked parts. A chapter is a session.

    SPEAKERS.TXT and CHAPTERS.TXT tell genders and books. They lie beside each part.

    Raises:
        RecipeError: one of the two files is missing, or a part has no audio.
    """
    wav: dict[str, str] = {}
    books: dict[str, str] = {}
    genders: dict[str, str] = {}
    for folder in folders:
        files = sorted(path for path in folder.glob("*/*/*") if path.suffix in (".flac", ".wav", ".opus"))
        found = {path.stem: str(path.absolute()) for path in files if UTTERANCE.fullmatch(path.stem)}
        if not found:
            raise RecipeError(f"{folder}: no SPEAKER/CHAPTER/*.flac in this part: unpack its archive again")
        wav |= found
        genders |= {row[0]: row[1].lower() for row in read_metadata(folder.parent / "SPEAKERS.TXT", 2)}
        books |= {f"{row[1]}-{row[0]}": row[5] for row in read_metadata(folder.parent / "CHAPTERS.TXT", 6)}
    speakers = {utt: utt.split("-")[0] for utt in wav}
    sessions = {utt: utt.rpartition("-")[0] for utt in wav}
    there = set(sessions.values())
    return Speech(wav, speakers, sessions, {session: books[session] for session in there & books.keys()}, genders)


def read_metadata(path: Path, columns: int) -> list[list[str]]:
    """The rows of SPEAKERS.TXT or CHAPTERS.TXT: columns between | signs, comments after a semicolon.

    Args:
        path: the file.
        columns: fewest columns of a row.

    Raises:
        RecipeError: the file is missing, or a row has fewer columns.
    """
    if not path.exists():
        raise RecipeError(f"{path}: no such file: it is in every archive of LibriSpeech; copy it there")
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if line.strip() and not line.startswith(";"):
            row = [word.strip() for word in line.split("|")]
            if len(row) < columns:
                raise RecipeError(f"{path}:{number}: expected {columns} columns between | signs, found {line!r}")
            rows.append(row)
    return rows
