"""parse_options.sh, sourced by a small script."""

import subprocess

import pytest

from support.shells import UTILS
from support.waiting import PATIENCE

SCRIPT = """#!/usr/bin/env bash
# Says its options.
# usage: say.sh [options] <word>
set -euo pipefail

# begin options
# Running
stage=0        # first stage
               # counted from 0
stop_stage=7   # last stage
dry_run=false  # print only
cmd=run.pl
name=          # any word
value='a b'    # quoted
words=()       # any number of them
# end options
. UTILS/parse_options.sh
printf '<%s>' "$stage" "$stop_stage" "$dry_run" "$cmd" "$name" "$value" ${words[@]+"${words[@]}"} "$#" "$@"
"""


@pytest.fixture
def say(tmp_path):
    script = tmp_path / "say.sh"
    script.write_text(SCRIPT.replace("UTILS", str(UTILS)))

    def run(*words):
        return subprocess.run(
            ["bash", script, *words], cwd=tmp_path, text=True, capture_output=True, timeout=PATIENCE, check=False
        )

    return run


@pytest.mark.parametrize(
    "words, said",
    [
        ((), "<0><7><false><run.pl><><a b><0>"),
        (("--stage", "3", "--stop-stage=4", "x", "--stage", "9"), "<3><4><false><run.pl><><a b><3><x><--stage><9>"),
        (("--dry-run", "true", "--stop_stage", "2"), "<0><2><true><run.pl><><a b><0>"),
        (("--cmd", "queue.pl --mem 2G", "--value=", "--name", "-x"), "<0><7><false><queue.pl --mem 2G><-x><><0>"),
        (("--name=--stage", "--", "--dry-run"), "<0><7><false><run.pl><--stage><a b><1><--dry-run>"),
        (("--name", "", "", "y"), "<0><7><false><run.pl><><a b><2><><y>"),
        (("--dry-run", "--stage", "1"), "<1><7><true><run.pl><><a b><0>"),
        (("--stage", "1", "--dry-run"), "<1><7><true><run.pl><><a b><0>"),
        (
            ("--words", "x y", "--stage", "1", "--words=z=$(touch trap)"),
            "<1><7><false><run.pl><><a b><x y><z=$(touch trap)><0>",
        ),
    ],
)
def test_options_are_set_and_the_rest_is_left(say, words, said):
    result = say(*words)
    assert (result.returncode, result.stdout, result.stderr) == (0, said, "")


@pytest.mark.parametrize("value", ["$(touch trap)", "`touch trap`", "x; touch trap", "a[$(touch trap)]", "'", '"', "*"])
def test_values_are_never_evaluated(say, tmp_path, value):
    for words in (("--name", value), (f"--name={value}",), ("--stage", value)):
        result = say(*words)
        assert result.returncode == 0 and f"<{value}>" in result.stdout
    assert not (tmp_path / "trap").exists()


@pytest.mark.parametrize(
    "words, complaint",
    [
        (("--stge", "3"), "unknown option --stge. Valid are: --stage --stop-stage\n"),
        (
            ("--xyz", "3"),
            "unknown option --xyz. Valid are: --stage --stop-stage --dry-run --cmd --name --value --words\n",
        ),
        (("--PATH", "x"), "unknown option --PATH"),
        (("--$(touch trap)", "x"), "unknown option"),
        (("--stage",), "option --stage has no value"),
        (("--stage", "--stop-stage", "3"), "option --stage has no value: the next word is --stop-stage"),
        (("--dry-run", "yes"), "option --dry-run takes true or false, not 'yes'"),
        (("--cmd", ""), "option --cmd must not be empty"),
        (("--config", "x.yaml"), "unknown option --config"),
    ],
)
def test_a_mistake_is_an_error(say, tmp_path, words, complaint):
    result = say(*words)
    assert result.returncode == 1 and result.stdout == ""
    assert result.stderr.startswith(f"say.sh: {complaint}")
    assert not (tmp_path / "trap").exists()


def test_help_is_made_from_the_script(say):
    for word in ("--help", "-h"):
        result = say(word)
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout.startswith("Says its options.\nusage: say.sh [options] <word>\n\nOptions:\n Running\n")
        assert "  --stage                first stage (default: 0)\n" + " " * 25 + "counted from 0\n" in result.stdout
        assert '--name                 any word (default: "")' in result.stdout
        assert "--cmd                  (default: run.pl)" in result.stdout


def test_a_script_without_a_block_is_told(tmp_path):
    (tmp_path / "x.sh").write_text(f"x=1\n. {UTILS}/parse_options.sh\n")
    result = subprocess.run(["bash", tmp_path / "x.sh", "--x", "2"], text=True, capture_output=True, check=False)
    assert result.returncode == 1 and "# begin options" in result.stderr
