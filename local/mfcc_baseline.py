#!/usr/bin/env python3
"""Make a baseline embedding without learning: the mean and standard deviation of MFCC over an utterance.

Cosine scoring of these embeddings shows how easy a corpus is. Every report has this system as its first row.

There are 30 coefficients (with C0) of 40 mel bands, in 25 ms windows every 10 ms. Each of the 60 dimensions is then
normalised to mean 0 and variance 1 over the data directory.

Reads   DATA_DIR/wav.scp
Writes  OUT_DIR/embedding.ark, OUT_DIR/embedding.scp

Example
    local/mfcc_baseline.py data/mini/eval exp/mini/mfcc/eval
"""

from pathlib import Path

import numpy as np
import torch
from scipy.fft import dct

from dlglc import console
from dlglc.console import log
from dlglc.data.arks import write_embeddings
from dlglc.data.audio import Recordings
from dlglc.data.fbank import Fbank
from dlglc.errors import RecipeError
from dlglc.locks import only_process
from dlglc.settings import load_settings
from dlglc.settings.schema import FbankSettings


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("out_dir", type=Path)
    args = parser.parse_args()

    fbank = Fbank(load_settings(FbankSettings, words=["num_mel_bins=40", "window=hamming"]))
    recordings = Recordings(args.data_dir, fbank.sample_rate)
    rows = np.empty((len(recordings), 60))
    for i in console.progress(range(len(recordings)), len(recordings), "utterances"):
        if fbank.num_frames(recordings.num_samples[i]) < 2:
            raise RecipeError(f"{args.data_dir}/wav.scp:{i + 1}: {recordings.ids[i]}: too short for two frames")
        energies = fbank(torch.from_numpy(recordings.read(i))[None])[0].double().numpy()
        mfcc = dct(energies, norm="ortho")[:, :30]
        rows[i] = np.concatenate([mfcc.mean(0), mfcc.std(0)])
    rows = (rows - rows.mean(0)) / np.maximum(rows.std(0), 1e-9)
    with only_process(args.out_dir, wait=True):
        write_embeddings(args.out_dir, recordings.ids, rows)
    log.info("%d embeddings of %d dimensions", *rows.shape)


if __name__ == "__main__":
    console.run(main)
