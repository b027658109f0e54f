#!/usr/bin/env python3
"""One embedding per utterance: the encoder over the whole recording, without crops, padding or augmentation.

Reads   MODEL (a model.pt), DATA_DIR/wav.scp. For a model that was trained with input: feats, DATA_DIR/feats.scp.
Writes  OUT_DIR/{embedding.ark, embedding.scp}, the output of the encoder (not length-normalised), and
        OUT_DIR/embedding.json, the record of its inputs. A finished output of the same inputs is reused.

With --trained-parts N, OUT_DIR/hidden.{ark, scp} also has the output of the encoder's other parts, for an adaptation
that trains the last N parts only. With --hidden DIR, these parts are not run again.

Example
    steps/extract_embeddings.py exp/mini/dino/model.pt data/mini/eval exp/mini/dino/eval
"""

from pathlib import Path

from dlglc import console
from dlglc.extraction import Hidden, extract_embeddings


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument(
        "--batch-frames", type=int, default=20000, help="most frames in one forward pass (default: 20000)"
    )
    parser.add_argument(
        "--trained-parts", type=int, default=0, metavar="N", help="keep the output of the parts before the last N"
    )
    parser.add_argument("--hidden", type=Path, metavar="DIR", help="folder of the hidden.scp that was kept")
    console.add_device_option(parser)
    parser.add_argument("model", type=Path)
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("out_dir", type=Path)
    args = parser.parse_args()

    hidden = Hidden(args.trained_parts, args.hidden) if args.trained_parts else None
    extract_embeddings(args.model, args.data_dir, args.out_dir, args.batch_frames, args.device, hidden)


if __name__ == "__main__":
    console.run(main)
