"""--config and --set of the scripts: which file and which words go to which settings."""

import pytest

from dlglc import console
from dlglc.errors import RecipeError
from dlglc.settings import SCHEMAS, add_settings_options, settings_of
from dlglc.settings.messages import dotted_keys
from dlglc.settings.schema import AugmentSettings, ClusterSettings, DinoSettings, FbankSettings


def parsed(words, idea="dino", others=("fbank", "augment")):
    parser = console.parser("x")
    add_settings_options(parser, idea, *others)
    parser.add_argument("data_dir", nargs="?")
    return parser.parse_args(words)


def test_without_options_the_published_values_hold():
    args = parsed([])
    assert settings_of(DinoSettings, args).epochs == 150
    assert settings_of(FbankSettings, args).num_mel_bins == 80


def test_words_go_to_the_settings_that_they_name(tmp_path):
    args = parsed(
        ["--set", "epochs=30", "dino.workers=2", "fbank.num_mel_bins=40", "--set", "augment.snr_db.noise=[1,2]"]
    )
    assert (settings_of(DinoSettings, args).epochs, settings_of(DinoSettings, args).workers) == (30, 2)
    assert settings_of(FbankSettings, args).num_mel_bins == 40
    assert settings_of(AugmentSettings, args).snr_db["noise"] == [1.0, 2.0]
    assert settings_of(AugmentSettings, args).probability == 1.0


def test_each_file_has_an_option(tmp_path):
    (tmp_path / "a.yaml").write_text("epochs: 30\n")
    (tmp_path / "b.yaml").write_text("num_mel_bins: 40\n")
    args = parsed(["--config", str(tmp_path / "a.yaml"), "--fbank-config", str(tmp_path / "b.yaml"), "data"])
    assert args.data_dir == "data"
    assert settings_of(DinoSettings, args).epochs == 30
    assert settings_of(FbankSettings, args).num_mel_bins == 40
    assert settings_of(AugmentSettings, args).probability == 1.0


def test_a_value_may_have_dots_and_words_that_are_no_assignment_are_left():
    args = parsed(["--set", "optimiser.lr=1.5e-1", "student_temperature=.5", "data"])
    assert args.data_dir == "data"
    assert settings_of(DinoSettings, args).optimiser.lr == 0.15
    assert settings_of(DinoSettings, args).student_temperature == 0.5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "epoch=3"], "--set epoch=3: no such key 'epoch'. Did you mean 'epochs'?"),
        (["--set", "fbank.bins=3"], "--set fbank.bins=3: no such key 'bins'"),
        (
            ["--set", "cluster.restarts=3"],
            "no such key 'cluster'. It belongs to conf/cluster.yaml, which is not read here",
        ),
        (["--set", "epochs"], "--set epochs: expected key=value"),
        (["--config", ""], "it is a folder"),
    ],
)
def test_mistakes_reach_the_user(words, message):
    args = parsed(words)
    with pytest.raises(RecipeError) as error:
        for schema in (DinoSettings, FbankSettings, AugmentSettings):
            settings_of(schema, args)
    assert message in str(error.value)


def test_a_script_of_one_file_takes_its_keys_with_and_without_the_name_in_front():
    args = parsed(["--set", "restarts=3", "cluster.max_iter=7"], "cluster", ())
    settings = settings_of(ClusterSettings, args)
    assert (settings.restarts, settings.max_iter) == (3, 7)


def test_no_key_has_the_name_of_a_file():
    for schema in SCHEMAS.values():
        assert not {key.split(".")[0] for key in dotted_keys(schema)} & SCHEMAS.keys()


def test_a_script_says_what_is_wrong_without_a_traceback(script, tmp_path):
    (tmp_path / "my.yaml").write_text("restarts: 3\nspherical: yes\n")
    done = script("steps/cluster.py", "--config", tmp_path / "my.yaml", "no.scp", tmp_path / "out", check=False)
    assert done.returncode == 1
    assert done.stderr == (
        f"cluster.py: error: {tmp_path}/my.yaml:2: spherical: must be true or false, not 'yes'. Did you mean true?\n"
    )
