"""Write the embeddings of recordings.

INPUT is an audio file, a folder, or a Kaldi table whose name ends in .scp. Recordings that cannot be used are named and
left out. A recording of more than 30 s is read in windows; its embedding is their mean.

OUT says the form:
  NAME.npz      arrays `ids` (N,), `embeddings` (N, D) float32, `seconds` (N,), `speech` (N,) seconds of speech
  NAME.parquet  a row for each recording, with the same names; needs pyarrow
  a folder      embedding.ark and embedding.scp as in Kaldi; needs kaldiio

Example
    dlg-lc embed bundle.dlglc ~/speech --out speech.npz
"""

import argparse
from pathlib import Path

from .common import Command, add_bundle, add_json, answer, find_recordings, hear_all


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--out", required=True, type=Path, help="NAME.npz, NAME.parquet, or a folder")
    add_json(parser)
    add_bundle(parser)
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="audio files, folders, wav.scp")


def act(args: argparse.Namespace) -> int:
    """Write the embeddings. The status is 1 if recordings were left out."""
    from ..model import load_model
    from ..writing import check_form, write_heard

    write = check_form(args.out)
    recordings = find_recordings(args.inputs)
    model = load_model(args.bundle)
    found = dict(hear_all(model, recordings))
    write_heard(write, args.out, found, model.id)
    left_out = sorted(recordings.keys() - found.keys())
    dimension = len(next(iter(found.values())).embedding)
    text = f"{args.out}: {len(found)} embeddings of {dimension} dimensions, {len(left_out)} recordings left out"
    record = {"out": str(args.out), "recordings": len(found), "dimension": dimension, "left_out": left_out}
    answer({**record, "bundle": model.id}, text, args.json)
    return 1 if left_out else 0


COMMAND = Command(__doc__ or "", add_options, act)
