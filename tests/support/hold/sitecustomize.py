"""Python imports this module first where its folder is on the path: a training stands still at a chosen checkpoint.

HOLD=FOLDER:COUNT in the environment holds the process that has just written its COUNT-th checkpoint.pt, once for each
FOLDER, until FOLDER/go is there. FOLDER/held says that it stands. So a test loses a training, or a node, at a known
step, on any machine. If FOLDER/eat is there meanwhile, the process takes so many bytes of memory.
"""

import os
import time


def hold(folder: str, count: int) -> None:
    """Count the checkpoints from now on."""
    replace, seen = os.replace, 0

    def counting(source, target, **options):
        nonlocal seen
        replace(source, target, **options)
        if os.path.basename(target) != "checkpoint.pt":
            return
        seen += 1
        if seen == count and not os.path.exists(f"{folder}/held"):
            with open(f"{folder}/held", "w"):
                pass
            eaten = b""
            while not os.path.exists(f"{folder}/go"):
                time.sleep(0.02)
                if not eaten and os.path.exists(f"{folder}/eat"):
                    with open(f"{folder}/eat") as file:
                        eaten = b"x" * int(file.read())

    os.replace = counting


if "HOLD" in os.environ:
    _folder, _, _count = os.environ["HOLD"].rpartition(":")
    hold(_folder, int(_count))
