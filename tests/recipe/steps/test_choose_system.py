"""steps/choose_system.py: one name, or none."""

import json


def test_the_name_of_a_system(script, tmp_path):
    assert script("steps/choose_system.py", tmp_path, "start", "round1").stdout == ""
    for name, rate in (("start", None), ("round1", 4.0)):
        (tmp_path / name / "clusters").mkdir(parents=True)
        (tmp_path / name / "clusters/utt2cluster").touch()
        (tmp_path / name / "model.pt").touch()
        if rate:
            line = {"epoch": 1, "held_out_eer": rate, "held_out_start": 3.0}
            (tmp_path / name / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    assert script("steps/choose_system.py", tmp_path, "start", "round1").stdout == "start\n"
