"""The report page: EXP_DIR/report.html, one file that needs no network."""

import base64
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ...files import write_text
from ..diagnosis import diagnose
from ..records import describe_origin, stale_scores
from ..tables import describe_data
from .about import about_section
from .blocks import Findings, Section
from .gates import gates_section
from .listening import listening_section
from .maps import maps_section
from .outcome import outcome_section
from .scores import read_scored, scores_section
from .trainings import trainings_section

HERE = Path(__file__).parent


def write_page(exp_dir: Path, data: Path | None, records: list[dict[str, Any]], clips: int = 12) -> None:
    """Write EXP_DIR/report.html.

    The page holds no link and loads nothing: its policy forbids that to the browser, and allows this script alone.

    Args:
        exp_dir: directory of the experiment.
        data: its data directory; None = no figures that need one.
        records: from records.read_experiment.
        clips: recordings to listen to, at most; 0 = a page without audio.
    """
    trials = data / "eval/trials" if data else None
    scored = read_scored(exp_dir, trials) if trials and trials.exists() else []
    sections = [
        findings_section(exp_dir, data),
        outcome_section(exp_dir, records, stale_scores(exp_dir)),
        trainings_section(exp_dir),
        gates_section(exp_dir, data),
        scores_section(scored),
        maps_section(exp_dir, data),
        listening_section(exp_dir, data, scored, clips),
        about_section(exp_dir),
    ]
    write_text(exp_dir / "report.html", render(f"Results of {exp_dir}", describe_data(data).strip(), sections))


def findings_section(exp_dir: Path, data: Path | None) -> Section:
    """What run.sh --diagnose finds."""
    diagnosis = diagnose(exp_dir, data)
    found = [(one.place, one.problem, one.remedy) for one in diagnosis.found]
    return Section("findings", "Diagnosis", [Findings(found, diagnosis.checked, diagnosis.unchecked)])


def render(title: str, summary: str, sections: list[Section]) -> str:
    """The page as text.

    Args:
        title: heading of the page.
        summary: a sentence below it.
        sections: those without blocks are left out.
    """
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    script = (HERE / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("page.html").render(
        title=title,
        summary=summary,
        sections=[section for section in sections if section.blocks],
        origin=describe_origin(),
        style=Markup((HERE / "style.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=f"sha256-{digest}",
    )
