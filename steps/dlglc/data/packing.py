"""All recordings of a data directory in one ark of 16-bit WAVs, or checked where they are (steps/pack_audio.py)."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..console import log, progress
from ..errors import RecipeError
from ..provenance import Stamp
from .audio import Recordings, packed_wav

HOPELESS = 100  # the first so many recordings all unusable: a disk that is not mounted, a program that is missing


def check(recordings: Recordings, measure, shortest: int, keep=None, first: int = 0) -> np.ndarray:
    """Look at the recordings from `first` on; all that cannot be used are listed in the error.

    Args:
        measure: of recording i, the number of samples, or RecipeError.
        shortest: samples.
        keep: called with i once it is found usable.

    Returns:
        (N − first,) int64 lengths.
    """
    faults: list[str] = []
    num_samples = np.zeros(len(recordings) - first, dtype=np.int64)
    for i in progress(range(first, len(recordings)), len(recordings) - first, "recordings"):
        try:
            length = num_samples[i - first] = measure(i)
            if length < shortest:
                raise RecipeError(
                    f"{recordings.scp}:{i + 1}: {recordings.ids[i]}: {length / recordings.sample_rate:.2f} s, under "
                    f"{shortest / recordings.sample_rate} s: take the line out of wav.scp and run utils/fix_data_dir.sh"
                )
            if keep:
                keep(i)
        except RecipeError as error:
            faults.append(str(error))
            if len(faults) == HOPELESS == i - first + 1:
                break
    if faults:
        shown = "\n  ".join(faults[:20])
        more = f"\n  … and {len(faults) - 20} more" if len(faults) > 20 else ""
        raise RecipeError(f"{len(faults)} of {len(recordings)} recordings cannot be used:\n  {shown}{more}")
    return num_samples


def pack(recordings: Recordings, shortest: int, out_dir: Path, unfinished: Stamp) -> np.ndarray:
    """Write the ark, or what is missing of it; returns the number of samples of each recording, (N,) int64."""
    ark, scp = out_dir / "wav.ark", out_dir / "wav.scp.tmp"
    if not unfinished.matches():
        ark.write_bytes(b"")
        scp.write_bytes(b"")
        unfinished.write()
    done = packed_before(recordings.ids, ark, scp)
    if len(done):
        log.info("%s: going on after %d recordings", ark, len(done))
    samples = np.zeros(0, np.int16)
    with open(ark, "ab") as samples_file, open(scp, "a", 1, encoding="utf-8") as table:  # by line: what a kill leaves

        def read(i: int) -> int:
            nonlocal samples
            samples = recordings.read(i)
            return len(samples)

        def write(i: int) -> None:
            utt = recordings.ids[i]
            if not np.any(samples):
                raise RecipeError(
                    f"{recordings.scp}:{i + 1}: {utt}: silent, every sample is 0: take the line out of wav.scp"
                )
            samples_file.write(f"{utt} ".encode())
            table.write(f"{utt} {ark}:{samples_file.tell()}\n")
            samples_file.write(packed_wav(samples, recordings.sample_rate))

        num_samples = np.concatenate([done, check(recordings, read, shortest, write, len(done))])
        samples_file.flush()
        os.fsync(samples_file.fileno())
    os.replace(scp, out_dir / "wav.scp")
    unfinished.clear()
    return num_samples


def packed_before(ids: Sequence[str], ark: Path, scp: Path) -> np.ndarray:
    """Lengths of the recordings that an interrupted run wrote whole; what follows them in both files is cut off."""
    lines = [line for line in scp.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
    utts, offsets = [line.split(" ", 1)[0] for line in lines], [int(line.rsplit(":", 1)[1]) for line in lines]
    # A record ends where the id of the next one begins; of the last one nothing tells: it is written again.
    ends = [offset - len(f"{utt} ".encode()) for utt, offset in zip(utts[1:], offsets[1:])]
    size, whole = ark.stat().st_size, 0
    while whole < len(ends) and ends[whole] <= size and utts[whole] == ids[whole]:
        whole += 1
    os.truncate(ark, ends[whole - 1] if whole else 0)
    os.truncate(scp, len("".join(lines[:whole]).encode()))
    return (np.array(ends[:whole], dtype=np.int64) - np.array(offsets[:whole], dtype=np.int64) - 44) // 2
