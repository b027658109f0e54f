#!/usr/bin/env python3
"""Make the reference embedding that needs no learning: the mean and standard deviation of MFCC over an utterance.

Every result of a trained system stands beside this row: a cosine between such vectors is what a corpus gives away
for nothing. 30 coefficients (C0 among them) of 40 mel bands, 25 ms windows each 10 ms; each of the 60 dimensions is
then normalised to mean 0 and variance 1 over the data directory.

Reads   DATA_DIR/wav.scp (audio files, or entries file.ark:offset)
Writes  OUT_DIR/embedding.ark, OUT_DIR/embedding.scp

Example:
    local/mfcc_baseline.py data/mini/eval exp/mini/mfcc
"""

import functools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "steps"))

import numpy as np
from libs.archive import write_embeddings
from libs.audio import Recordings
from libs.cli import RecipeError, log, parser, progress, run
from scipy.fft import dct

RATE = 16000


@functools.cache
def mel_matrix(size: int, bands: int = 40, low: float = 20.0) -> np.ndarray:
    """Triangular mel filters as a (size // 2 + 1, bands) matrix."""

    def mel(hertz):
        return 1127.0 * np.log1p(hertz / 700.0)

    edges = np.linspace(mel(low), mel(RATE / 2), bands + 2)
    points = mel(np.fft.rfftfreq(size, 1 / RATE))[:, None]
    up = (points - edges[:-2]) / (edges[1:-1] - edges[:-2])
    down = (edges[2:] - points) / (edges[2:] - edges[1:-1])
    return np.maximum(0.0, np.minimum(up, down))


def mfcc(x: np.ndarray, coefficients: int = 30) -> np.ndarray:
    """MFCC of int16 samples as a (frames, coefficients) array."""
    x = x.astype(np.float64)
    x = np.append(x[:1], x[1:] - 0.97 * x[:-1])
    frames = np.lib.stride_tricks.sliding_window_view(x, 400)[::160] * np.hamming(400)
    power = np.abs(np.fft.rfft(frames, 512)) ** 2
    return dct(np.log(power @ mel_matrix(512) + 1.0), norm="ortho")[:, :coefficients]


def main() -> None:
    args = parser(__doc__)
    args.add_argument("data_dir", metavar="DATA_DIR", help="data directory with wav.scp")
    args.add_argument("out_dir", metavar="OUT_DIR", help="where embedding.ark and embedding.scp go")
    args = args.parse_args()
    recordings = Recordings(args.data_dir, RATE, probe=False)
    rows = []
    for i, utt in enumerate(progress(recordings.ids, len(recordings), "utterances")):
        x = recordings.read(i)
        if len(x) < 0.1 * RATE:
            raise RecipeError(
                f"{recordings.scp}:{i + 1}: {utt} lasts {len(x) / RATE:.3f} s, shorter than 0.1 s: take it out"
            )
        coefficients = mfcc(x)
        rows.append(np.concatenate([coefficients.mean(axis=0), coefficients.std(axis=0)]))
    matrix = np.stack(rows)
    matrix = (matrix - matrix.mean(axis=0)) / np.maximum(matrix.std(axis=0), 1e-6)
    scp = write_embeddings(args.out_dir, recordings.ids, matrix)
    log.info("%d embeddings of %d dimensions -> %s", *matrix.shape, scp)


if __name__ == "__main__":
    run(main)
