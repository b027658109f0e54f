"""What a trial list measures: voices within a session, across sessions, or across books (subjects, places, …)."""

from pathlib import Path
from typing import NamedTuple

from ..data.tables import read_table, read_trials

WITHIN, ACROSS, BOOKS, MIXED, UNKNOWN = "within a session", "across sessions", "across books", "mixed", ""
FINAL = "trials_final"  # lists of speakers that are kept for the end begin with this


class TrialList(NamedTuple):
    """A trial list of an evaluation set.

    Attributes:
        name: its file, e.g. trials_within.
        condition: what its target trials are: WITHIN, ACROSS, BOOKS, MIXED, or UNKNOWN without utt2sess.
    """

    name: str
    condition: str

    @property
    def suffix(self) -> str:
        """The end of the names of its scores: "_within" for trials_within."""
        return self.name.removeprefix("trials")

    @property
    def title(self) -> str:
        """A few words for the head of a table's column."""
        words = self.condition if self.condition not in (MIXED, UNKNOWN) else self.suffix.strip("_")
        return f"{words} (final)" if self.name.startswith(FINAL) else words


def trial_lists(eval_dir: Path) -> list[TrialList]:
    """The trial lists of an evaluation set with what they measure: trials, then trials_*."""
    paths = [path for path in (eval_dir / "trials", *sorted(eval_dir.glob("trials_*"))) if path.exists()]
    return [TrialList(path.name, condition_of(path)) for path in paths]


def condition_of(trials: Path) -> str:
    """What the target trials of a list are, by utt2sess and sess2book beside the list. Scores are not needed."""
    sessions, books = (trials.with_name(name) for name in ("utt2sess", "sess2book"))
    if not sessions.exists():
        return UNKNOWN
    of = read_table(sessions)
    book_of = read_table(books) if books.exists() else {}
    enrol, test, target = read_trials(trials)
    pairs = [(of.get(e), of.get(t)) for e, t, same in zip(enrol, test, target) if same]
    if not pairs or any(a is None or b is None for a, b in pairs):
        return UNKNOWN
    different = [a != b for a, b in pairs]
    if not any(different):
        return WITHIN
    if not all(different):
        return MIXED
    of_books = [(book_of.get(str(a)), book_of.get(str(b))) for a, b in pairs]
    return BOOKS if all(None not in pair and pair[0] != pair[1] for pair in of_books) else ACROSS


def describe_conditions(lists: list[TrialList]) -> str:
    """A sentence that says what a run could measure and what it could not; empty without trial lists."""
    if not lists:
        return ""
    now = [some for some in lists if not some.name.startswith(FINAL)]
    there = {some.condition: some.name for some in reversed(now)}
    measured = [f"{condition} ({there[condition]})" for condition in (WITHIN, ACROSS, BOOKS) if condition in there]
    missing = [condition for condition in (WITHIN, ACROSS, BOOKS) if condition not in there]
    if not measured:
        return (
            "The evaluation does not say of which sessions the utterances are (eval/utt2sess). So nobody knows whether "
            "the error rates are within a session or across sessions."
        )
    lacking = f" Not measured: {', '.join(missing)}." if missing else ""
    return f"Target trials: {', '.join(measured)}.{lacking}"
