"""Scripts that run.sh does not name: each finds all that it imports in a Python of its own, not only in a fork."""

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
def test_it_starts_in_a_python_of_its_own(script, name):
    text = script(name, "--help", env={}).stdout
    assert "Example" in text and "Writes" in text
