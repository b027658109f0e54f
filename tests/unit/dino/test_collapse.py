"""What is said of each sign of a collapse."""

import math

from dlglc.dino.collapse import collapse


def test_collapse_is_named_with_its_remedy():
    fine = {"teacher_entropy": 2.0, "batch_entropy": 3.3, "embedding_std": 1.0}
    assert collapse(fine, 512, 32) is None
    assert "teacher_temperature" in collapse({**fine, "teacher_entropy": math.log(512)}, 512, 32)
    assert "centre_momentum" in collapse({**fine, "batch_entropy": 1.6}, 512, 32)  # as measured with a centre at rest
    assert collapse({**fine, "batch_entropy": 1.6}, 8, 32) is None
    assert "embedding_std 0.010" in collapse({**fine, "embedding_std": 0.01}, 512, 32)
