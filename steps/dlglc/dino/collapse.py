"""What tells a DINO run that learns from one that collapses. Stands without torch: a diagnosis asks it, too."""

import math
from typing import Any


def collapse(figures: dict[str, Any], outputs: int, utterances: int) -> str | None:
    """Look for a collapse in the health figures of an epoch.

    Args:
        figures: teacher_entropy, batch_entropy and embedding_std, see health.py.
        outputs: number of prototypes K.
        utterances: number of utterances that the batch's mean output is taken over. Its logarithm is the largest
            possible batch_entropy: then each utterance has its own prototype. Runs that learned had 94 % of this value
            or more. A run whose centre did not move had 41 %.

    Returns:
        What is wrong, and what to do; None if the figures are healthy.
    """
    full, spread = math.log(outputs), math.log(min(outputs, utterances))
    if figures["teacher_entropy"] > 0.98 * full:
        return (
            f"every output is uniform (teacher_entropy {figures['teacher_entropy']:.2f} of ln K = {full:.2f}): lower "
            "teacher_temperature, or the learning rate"
        )
    if figures["batch_entropy"] < 0.5 * spread:
        return (
            f"the outputs are on few prototypes (batch_entropy {figures['batch_entropy']:.2f}, a batch of {utterances} "
            f"can have {spread:.2f}): lower centre_momentum so that the centre moves faster, or raise "
            "teacher_temperature"
        )
    if figures["embedding_std"] < 0.1:
        return (
            f"all embeddings are nearly the same (embedding_std {figures['embedding_std']:.3f}; healthy is near 1): "
            "lower the learning rate, or start again with another seed"
        )
    return None
