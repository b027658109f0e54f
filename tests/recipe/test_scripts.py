"""Scripts that run.sh does not name start, and say what they read, write and are for."""

import pytest

from support import scripts

STARTED = "".join(
    path.read_text()
    for pattern in ("run.sh", "utils/*.sh", "local/experiments/*.sh")
    for path in scripts.ROOT.glob(pattern)
)
OTHERS = sorted(
    str(path.relative_to(scripts.ROOT))
    for folder in ("steps", "local")
    for path in (scripts.ROOT / folder).glob("*.py")
    if path.read_text().startswith("#!") and path.name not in STARTED
)


@pytest.mark.parametrize("name", OTHERS)
def test_its_help_has_an_example(script, name):
    text = script(name, "--help").stdout
    assert "Example" in text and "Writes" in text
