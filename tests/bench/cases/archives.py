"""Cases about reading Kaldi's ark files: crops of features, and embeddings."""

import io
import os
import time
from collections.abc import Callable
from pathlib import Path

import kaldiio
import numpy as np
from measure import Peer, Timed, compare

from dlglc.data.arks import read_embeddings, write_embeddings
from dlglc.data.crops import FeatureCrops
from dlglc.data.fbank import Fbank
from dlglc.settings import load_settings
from dlglc.settings.schema import FbankSettings

from .folders import new_folder


def crops() -> None:
    """Random crops of 300 frames from an ark of 100k utterances of 4 to 11.6 s, warm and cold"""
    rng, count = np.random.default_rng(0), 100_000
    frames, drawn = rng.integers(400, 1160, count), rng.permutation(count)[:2000]
    for name, method in (("16 bit", 3), ("float32", None)):
        with new_folder() as top:
            write_sparse_ark(top, frames, np.sort(drawn), method)
            compare_crops(top, drawn.reshape(-1, 50), name)


def compare_crops(top: Path, batches: np.ndarray, name: str) -> None:
    """Read crops of each batch of utterances.

    Args:
        top: folder of feats.scp.
        batches: (batches, utterances) row numbers in feats.scp.
        name: of the ark's number format, for the table.
    """
    feats = FeatureCrops(top, Fbank(load_settings(FbankSettings)), [(1, 3.0)], 0)
    rng = np.random.default_rng(0)

    def ours() -> None:
        for rows in batches:
            feats.batch(0, rows)

    def theirs() -> None:
        for rows in batches:
            out = np.empty((len(rows), 300, 80), dtype=np.float32)
            for at, row in enumerate(rows):
                matrix = kaldiio.load_mat(feats.where[row])
                start = int(rng.random() * (len(matrix) - 299))
                out[at] = matrix[start : start + 300]

    compare(f"2,000 crops of 300 frames, {name} ark, warm", ours, {"kaldiio": Peer(theirs, goal=4)})
    ark = top / "feats.ark"
    peers = {"kaldiio": Peer(from_cold_disk(ark, theirs), goal=4)}
    compare(f"… {name}, cold, wall clock", from_cold_disk(ark, ours), peers, fork=False)


def from_cold_disk(ark: Path, run: Callable[[], object]) -> Callable[[], Timed]:
    """`run` after the file has left the page cache, with its wall clock time."""

    def timed() -> Timed:
        file = os.open(ark, os.O_RDONLY)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)
        before = time.monotonic()
        run()
        return Timed(time.monotonic() - before)

    return timed


def write_sparse_ark(top: Path, frames: np.ndarray, stored: np.ndarray, method: int | None) -> None:
    """Write feats.ark and feats.scp. Only some utterances are stored. The others are holes in the file.

    Args:
        top: where the files go.
        frames: (N,) frames of each utterance.
        stored: rows of the utterances that are stored.
        method: Kaldi's compression method, 3 for 16 bits. None: float32.
    """
    rng = np.random.default_rng(1)
    wanted, at, lines = set(stored.tolist()), 0, []
    with open(top / "feats.ark", "wb") as ark:
        for row, count in enumerate(frames.tolist()):
            size = 22 + 160 * count if method else 15 + 320 * count
            if row in wanted:
                buffer = io.BytesIO()
                matrix = rng.standard_normal((count, 80), dtype=np.float32)
                kaldiio.matio.write_array(buffer, matrix, compression_method=method)
                ark.seek(at + 8)
                ark.write(b"\0B" + buffer.getvalue().removeprefix(b"\0B"))
            lines.append(f"u{row:06d} {top}/feats.ark:{at + 8}\n")
            at += 8 + size
        ark.truncate(at)
        ark.flush()
        os.fsync(ark.fileno())
    (top / "feats.scp").write_text("".join(lines))


def tables() -> None:
    """Embeddings from ark: 100k x 192"""
    with new_folder() as top:
        x = np.random.default_rng(0).standard_normal((100_000, 192), dtype=np.float32)
        scp = write_embeddings(top, [f"u{i:06d}" for i in range(len(x))], x)

        def theirs() -> None:
            np.stack(list(kaldiio.load_scp(str(scp)).values()))

        compare("embeddings from ark, 100k × 192", lambda: read_embeddings(scp), {"kaldiio": Peer(theirs)})
