"""The command dlg-lc: its commands, help, errors."""

import pytest

from dlglc.front.command import COMMANDS, main, make_parser


def test_every_command_has_help_with_an_example(capsys):
    for name, command in COMMANDS.items():
        with pytest.raises(SystemExit) as end:
            make_parser().parse_args([name, "--help"])
        said = capsys.readouterr().out
        assert end.value.code == 0
        assert f"usage: dlg-lc {name}" in said
        assert f"dlg-lc {name}" in command.text.split("Example")[1]


def test_errors_are_one_message(capsys, tmp_path):
    with pytest.raises(SystemExit) as end:
        main(["info", str(tmp_path / "no.dlglc")])
    captured = capsys.readouterr()
    assert end.value.code == 1
    assert captured.out == ""
    assert "no such bundle" in captured.err and "Traceback" not in captured.err


def test_wrong_options_are_refused(capsys, bundles):
    with pytest.raises(SystemExit) as end:
        main(["verify", "--false-accept", "2", str(bundles.labelled), "a", "b"])
    assert end.value.code == 2
    assert "above 0 and below 1" in capsys.readouterr().err
