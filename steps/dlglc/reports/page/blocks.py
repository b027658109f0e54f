"""What a report page is made of. All texts are plain: the template escapes them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

from markupsafe import Markup


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    kind: ClassVar[str] = "text"
    text: str


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        head: titles of the columns.
        rows: cells, as many in each row as there are titles. The first cell names the row.
        caption: what the table shows.
        left: the first columns that are aligned to the left; the others are aligned to the right.
        words_last: the last column is aligned to the left too.
    """

    kind: ClassVar[str] = "table"
    head: list[str]
    rows: list[list[str]]
    caption: str
    left: int = 1
    words_last: bool = False


@dataclass(frozen=True)
class Figure:
    """A picture with all that it says in words and figures.

    Attributes:
        svg: the drawing, from drawing.to_svg.
        title: what it shows, in a few words.
        alt: what can be seen in it, for those who do not see it.
        note: a sentence below it.
        table: its figures.
    """

    kind: ClassVar[str] = "figure"
    svg: Markup
    title: str
    alt: str
    note: str = ""
    table: Table | None = None


@dataclass(frozen=True)
class Frame:
    """A position of a slider.

    Attributes:
        number: of the frame, e.g. an epoch.
        text: what can be seen there.
    """

    number: int
    text: str


@dataclass(frozen=True)
class Slider:
    """A figure of several frames. A slider chooses the one that is shown.

    Attributes:
        key: unique in the page.
        figure: its drawing has a group of the class `frame` for each frame, from drawing.frames.
        what: what the slider counts, e.g. "epoch".
        frames: of consecutive numbers.
    """

    kind: ClassVar[str] = "slider"
    key: str
    figure: Figure
    what: str
    frames: list[Frame]


@dataclass(frozen=True)
class Choice:
    """Several figures of which one is shown.

    Attributes:
        key: unique in the page.
        question: what is chosen.
        figures: by the name of the choice.
        points: what each point of the figures is, by its number. The page says it of the point nearest to the pointer.
        orders: of each figure, the numbers of its points in the order in which they are drawn.
    """

    kind: ClassVar[str] = "choice"
    key: str
    question: str
    figures: dict[str, Figure]
    points: list[str] = field(default_factory=list)
    orders: dict[str, list[int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """Figures side by side, where the page is wide enough."""

    kind: ClassVar[str] = "row"
    figures: "Sequence[Figure | Slider | Choice]"


@dataclass(frozen=True)
class Facts:
    """The most important values.

    Attributes:
        values: value and what it is.
    """

    kind: ClassVar[str] = "facts"
    values: list[tuple[str, str]]


@dataclass(frozen=True)
class Clip:
    """A short recording.

    Attributes:
        title: what it is.
        detail: more about it.
        source: data URI; empty if there is no audio.
    """

    title: str
    detail: str
    source: str


@dataclass(frozen=True)
class Clips:
    """Recordings to listen to, in groups.

    Attributes:
        title: what they are.
        groups: a sentence about each group, and its recordings.
    """

    kind: ClassVar[str] = "clips"
    title: str
    groups: list[tuple[str, list[Clip]]]


@dataclass(frozen=True)
class Findings:
    """What the diagnosis found, and what it looked at.

    Attributes:
        found: place, problem and remedy.
        checked, unchecked: the checks that could be made, and those that could not, with the reason.
    """

    kind: ClassVar[str] = "findings"
    found: list[tuple[str, str, str]]
    checked: list[str]
    unchecked: list[str]


Block: TypeAlias = Text | Table | Figure | Slider | Choice | Row | Facts | Clips | Findings


@dataclass(frozen=True)
class Section:
    """A part of the page. It is left out if it has no blocks.

    Attributes:
        key: its place in the page's address.
        title: its heading.
        blocks: its contents.
    """

    key: str
    title: str
    blocks: list[Block]
