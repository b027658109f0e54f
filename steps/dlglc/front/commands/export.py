"""Write the network of a bundle as ONNX: waveform in, embedding out.

The input `waveform` is (batch, samples) float32 in [-1, 1], mono, at the sample rate of the bundle (16 kHz). The output
`embedding` is (batch, D) float32, not length-normalised. Number and length of the waveforms may vary from call to call.
The filter bank is part of the network. docs/examples/onnx_only.py shows its use without dlglc.

  --weights float32  as it was trained
  --weights float16  half as large; computed with 32 bits; needs the package onnx
  --weights int8     about a quarter as large; less exact; needs the package onnx

Example
    dlg-lc export bundle.dlglc --onnx model.onnx --backend backend.npz
"""

import argparse
from pathlib import Path

from .common import Command, add_bundle, add_json, answer


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--onnx", type=Path, required=True, metavar="FILE", help="the file to write")
    parser.add_argument(
        "--weights", choices=["float32", "float16", "int8"], default="float32", help="(default: float32)"
    )
    parser.add_argument("--backend", type=Path, metavar="NPZ", help="write the arrays of the back-end, too")
    add_json(parser)
    add_bundle(parser)


def act(args: argparse.Namespace) -> int:
    """Write the network."""
    from ...bundles.container import ARRAYS, ONNX, read_bundle
    from ...files import whole_file

    bundle = read_bundle(args.bundle)
    network = bundle.parts[ONNX]
    if args.weights != "float32":
        from ...bundles import variants

        network = (variants.half_weights if args.weights == "float16" else variants.int8_weights)(network)
    written = {args.onnx: network} | ({args.backend: bundle.parts[ARRAYS]} if args.backend else {})
    for path, content in written.items():
        with whole_file(path) as file:
            file.write(content)
    sizes = {str(path): len(content) for path, content in written.items()}
    text = "\n".join(f"{path}: {size / 1e6:.2f} MB" for path, size in sizes.items())
    answer({"bytes": sizes, "weights": args.weights, "bundle": bundle.id}, text, args.json)
    return 0


COMMAND = Command(__doc__ or "", add_options, act)
