#!/usr/bin/env python3
"""Embeddings of a published supervised system, for comparison: the GE2E encoder of Resemblyzer.

The encoder was trained by others, with the labels of thousands of speakers of VoxCeleb and LibriSpeech (Wan et al.,
ICASSP 2018). The tables of the ablation have it for comparison only. It needs a package that the recipe does not need:
pip install resemblyzer 'setuptools<81'

Reads   DATA_DIR/wav.scp
Writes  OUT_DIR/embedding.ark, OUT_DIR/embedding.scp

Example
    local/experiments/resemblyzer_baseline.py data/speechocean762/eval \\
        exp/speechocean762-ablation/anchors/resemblyzer/eval
"""

from pathlib import Path

import numpy as np

from dlglc import console
from dlglc.console import log
from dlglc.data.arks import write_embeddings
from dlglc.data.audio import Recordings
from dlglc.errors import RecipeError


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("out_dir", type=Path)
    args = parser.parse_args()
    try:
        from resemblyzer import VoiceEncoder, preprocess_wav
    except ImportError as error:
        raise RecipeError(f"{error}: pip install resemblyzer 'setuptools<81'") from None

    recordings = Recordings(args.data_dir)
    encoder = VoiceEncoder("cpu", verbose=False)
    rows = []
    for i in console.progress(range(len(recordings)), len(recordings), "utterances"):
        wave = recordings.read(i).astype(np.float32) / 32768
        speech = preprocess_wav(wave, source_sr=recordings.sample_rate)
        # Its voice activity detection can remove everything. Then the whole recording is used.
        rows.append(encoder.embed_utterance(speech if len(speech) > 1600 else wave))
    matrix = np.stack(rows)
    write_embeddings(args.out_dir, recordings.ids, matrix)
    log.info("%d embeddings of %d dimensions", *matrix.shape)


if __name__ == "__main__":
    console.run(main)
