"""The value of a single key, as run.sh asks for it."""

import pytest


def value(script, name, *words, check=True):
    return script("steps/check_configs.py", "--value", name, *words, "conf/mini/dino.yaml", check=check)


def test_the_value_of_a_key_with_changes(script):
    assert value(script, "dino.workers").stdout == "0\n"
    assert value(script, "dino.workers", "--set", "dino.workers=5", "dlglc.workers=6").stdout == "5\n"
    assert value(script, "dino.optimiser.name").stdout == "adamw\n"
    assert value(script, "dino.workers", "--value", "dino.stage1").stdout == "0\ndino\n"


@pytest.mark.parametrize(
    ("name", "said"),
    [("dlglc.workers", r"give the file dlglc.yaml, too"), ("dino.wokers", r"conf/mini/dino.yaml has no key 'wokers'")],
)
def test_a_key_that_is_not_there(script, name, said):
    done = value(script, name, check=False)
    assert done.returncode == 1 and said in done.stderr
