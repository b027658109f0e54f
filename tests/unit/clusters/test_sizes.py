"""Sizes of clusters that speak of something wrong; sizes that do not."""

import numpy as np
import pytest

from dlglc.clusters.sizes import size_warnings


@pytest.mark.parametrize(
    ("sizes", "wanted", "words"),
    [
        ([12, 4, 49, 7], 4, []),
        ([3, 3, 20, 1], 4, ["median size is 3,"]),
        ([9, 9], 3, ["1 of 3 stayed empty"]),
        ([5] * 60 + [150], 61, ["150 of 450 utterances, 20 times"]),
        ([1] * 40 + [99], 50, ["9 of 50 stayed empty", "median size is 1,", "99 of 139 utterances, 29 times"]),
    ],
)
def test_sizes_that_speak_of_something_wrong(sizes, wanted, words):
    found = size_warnings(np.array(sizes), wanted)
    assert len(found) == len(words)
    assert all(word in line for word, line in zip(words, found))
