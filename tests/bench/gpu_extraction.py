"""Embeddings of whole utterances, of one length and of many lengths, for tests/bench/gpu.sh.

Utterances of equal length are computed together, and none is padded. So many lengths mean many shapes, which a GPU's
libraries prepare for one by one, and small batches. The difference between the rows is what rounded lengths could save.
"""

import time

import numpy as np
from gpu_data import DATA, write_ark, write_folder
from gpu_sizes import SECONDS, WORK
from gpu_trainings import Trainings

from dlglc.extraction import equal_lengths, extract_embeddings

BATCH_FRAMES = 20_000  # of a forward pass, as steps/extract_embeddings.py has it


def measure_extraction(trainings: Trainings) -> None:
    """Add the table. The first folder is embedded twice, and only the second time counts: the device is ready then.

    Args:
        trainings: what the trainings before had: device, page, number of utterances.
    """
    page = trainings.page
    rng = np.random.default_rng(0)
    lengths = {
        "one length": np.full(trainings.embedded, SECONDS * 16000),
        "many lengths": rng.integers(4 * 16000, 2 * (SECONDS - 2) * 16000, trainings.embedded),
    }
    model = trainings.untrained()
    page.text("\n")
    page.row("embeddings of whole utterances", "utterances", "shapes", "batches", "utt/s", "times as quick as speech")
    page.row("---", *["--:"] * 5)
    for title, drawn in lengths.items():
        samples = drawn.tolist()
        folder = DATA / title.replace(" ", "_")
        write_folder(folder, write_ark(folder.with_suffix(".ark"), samples), samples)
        for turn in range(2 if title == "one length" else 1):
            before = time.monotonic()
            extract_embeddings(model, folder, WORK / f"{folder.name}{turn}", BATCH_FRAMES, trainings.device)
        seconds, frames = time.monotonic() - before, 1 + (drawn - 400) // 160
        page.row(
            title,
            f"{len(samples):,}",
            f"{len(np.unique(frames)):,}",
            f"{len(list(equal_lengths(frames, BATCH_FRAMES))):,}",
            f"{len(samples) / seconds:,.0f}",
            f"{drawn.sum() / 16000 / seconds:,.0f}",
        )
