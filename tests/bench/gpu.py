"""What tests/bench/gpu.sh runs: both trainers on random audio of 8 s, then k-means at VoxCeleb2's size.

The trainers are steps/train_*.py as users run them. Each runs for one epoch to warm up and for one or two epochs that
count, and the figures come from its metrics.jsonl. The crops come from the recordings of a packed ark that is in the
page cache. Noise and rooms come from local/make_noise.py. Each trainer also runs with the steps of the public
toolkits (crop_by_crop.py). Then embeddings are extracted, a training is killed and resumed, and two
trainings share the device.
"""

import argparse
import shutil
import sys
import time
from pathlib import Path

from gpu_endings import Endings
from gpu_extraction import measure_extraction
from gpu_kmeans import measure_kmeans
from gpu_sizes import FULL, SMALL, WORK
from gpu_trainings import Trainings
from page import Page

from dlglc.provenance import describe_code, describe_machine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cpu", action="store_true", help="a small size on the CPU")
    parser.add_argument("--out", type=Path, required=True, help="file of the tables")
    parser.add_argument("--workers", default="auto", help="processes that read ahead")
    parser.add_argument("--share", type=float, default=1.0, help="of the usual number of utterances per epoch")
    parser.add_argument(
        "--only", choices=["dino", "dlglc", "embeddings", "endings", "kmeans"], help="a part of the measurement"
    )
    parser.add_argument("--no-peer", action="store_true", help="leave out the steps of the public toolkits")
    parser.add_argument("--keep", action="store_true", help="do not remove audio and models")
    args = parser.parse_args()
    page, size, device = Page(args.out), SMALL if args.cpu else FULL, "cpu" if args.cpu else "cuda"
    failed: list[str] = []
    page.text(f"{describe_machine()}; {describe_code()}; {time.strftime('%F')}.\n")
    shutil.rmtree(WORK, ignore_errors=True)
    try:
        if args.only != "kmeans":
            trainings = Trainings(size, device, args.workers, args.share, page, not args.no_peer)
            trainings.make_data()
            if args.only not in ("endings", "embeddings"):
                failed += trainings.run(args.only)
            if args.only in (None, "embeddings"):
                measure_extraction(trainings)
            if args.only in (None, "endings"):
                failed += Endings(trainings).run()
        if args.only in (None, "kmeans"):
            measure_kmeans(size.points, device, page)
    finally:
        if not args.keep:
            shutil.rmtree(WORK, ignore_errors=True)
    if failed:
        sys.exit(f"gpu.py: these failed, see the messages above: {'; '.join(failed)}")


if __name__ == "__main__":
    main()
