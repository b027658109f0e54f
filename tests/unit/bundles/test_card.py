"""The card says what is known, and what is not."""

import json

import pytest

from dlglc.bundles.card import describe_results, limits
from dlglc.bundles.container import CARD, PAGE, read_bundle


@pytest.fixture(scope="module")
def cards(bundles):
    found = {}
    for name in ("labelled", "unlabelled"):
        parts = read_bundle(getattr(bundles, name)).parts
        found[name] = json.loads(parts[CARD]), parts[PAGE].decode()
    return found


def test_figures_of_the_data(cards):
    card, page = cards["unlabelled"]
    assert card["data"] == {"name": "small", "utterances": 28, "clusters": 14}
    assert "| utterances | 28 |" in page
    assert card["encoder"]["channels"] == 16
    assert card["features"]["sample_rate"] == 16000
    assert card["largest_cosine_distance_onnx_torch"] < 1e-5


def test_without_labels_the_error_rate_is_unknown(cards):
    card, page = cards["unlabelled"]
    assert card["results"] is None
    assert "the error rate is unknown" in page
    assert "Nothing is labelled" in page
    assert "There is no calibration: the bundle was made without labelled trials." in page
    assert "misses" not in page.split("## Thresholds")[1].split("## Probabilities")[0].replace("about misses", "")
    assert any("No labelled trial" in limit for limit in card["limits"])
    assert card["limits"][-1] == "Read speech."


def test_with_labels_it_has_an_interval(cards):
    card, page = cards["labelled"]
    low, high = card["results"]["eer_ci"]
    assert low <= card["results"]["eer"] <= high
    assert f"EER {card['results']['eer']:.2f} % (95 % interval over speakers {low:.2f} to {high:.2f})" in page
    assert "| false accepts | threshold | misses |" in page
    assert card["results"]["speakers"] == 14
    assert describe_results(card["results"]) in page


@pytest.mark.parametrize("published", [False, True])
def test_the_card_tells_of_a_published_start(published):
    record = {"name": "a", "utterances": 3}
    heard, *others = limits(record, published, None, [])
    assert ("and nothing else" in heard) != published
    assert ("before that what its start was trained on" in heard) == published
    assert any("compare both on recordings of different days" in one for one in others) == published
