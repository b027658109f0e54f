#!/usr/bin/env python3
"""Embeddings of a published, supervised system to stand beside ours: Resemblyzer's GE2E encoder.

Trained by others with the labels of thousands of speakers (Wan et al., ICASSP 2018; weights inside the package, from
VoxCeleb and LibriSpeech). It is an anchor for the ablation's tables and serves nothing else; it needs a package that
the recipe does not: pip install resemblyzer 'setuptools<81'

Reads   DATA_DIR/wav.scp
Writes  OUT_DIR/embedding.ark, OUT_DIR/embedding.scp

Example
    local/resemblyzer_baseline.py data/speechocean762/eval exp/speechocean762-ablation/anchors/resemblyzer/eval
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
        rows.append(encoder.embed_utterance(speech if len(speech) > 1600 else wave))  # its VAD may leave nothing
    write_embeddings(args.out_dir, recordings.ids, np.stack(rows))
    log.info("%d embeddings of %d dimensions", *np.stack(rows).shape)


if __name__ == "__main__":
    console.run(main)
