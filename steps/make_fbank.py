#!/usr/bin/env python3
"""Log-mel filter bank energies of a data directory, as a compressed Kaldi ark.

Reads   DATA_DIR/wav.scp. A recording that is too short for one frame is an error.
Writes  OUT_DIR/{feats.ark, feats.scp, utt2num_frames}, and OUT_DIR/feats.json, the record of its inputs. A finished
        output of the same inputs is reused.

Example
    steps/make_fbank.py --config conf/fbank.yaml data/mini/train data/mini/train
"""

from pathlib import Path

from dlglc import console
from dlglc.data.features import make_fbank
from dlglc.settings import add_settings_options, settings_of
from dlglc.settings.schema import FbankSettings


def main() -> None:
    parser = console.parser(__doc__)
    add_settings_options(parser, "fbank")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("out_dir", type=Path)
    args = parser.parse_args()

    make_fbank(args.data_dir, args.out_dir, settings_of(FbankSettings, args), args.device)


if __name__ == "__main__":
    console.run(main)
