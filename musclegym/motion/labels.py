"""What is known of a motion besides its frames: who moves, what is done, and which recording it is from.

Nothing of it is in the numbers, so it is read from names, side files and the skeleton, by one rule per kind
of source:

- Bandai-Namco (`dataset-N_CONTENT_STYLE_NNN.bvh`, beside it a JSON file with the numbers of content and
  style): content and style from the name. The offsets of a file's skeleton are those of its actor's session,
  and files with the same ones count as one subject.
- CMU (`SUBJECT_TRIAL.amc` or `.bvh` with two numbers): subject and trial from the name.
- DeepMimic (`humanoid3d_NAME.txt`, also the embedded ones): the recording is the name without `long_`, a
  number at its end and `_mirror`, which mark parts and mirror images of one recording.
- A name with `subjectN` or `actorN` in it, in the file's or a folder's name: that is the subject.
- A bare number: it says nothing, so its folder counts as one subject.
- Any other file: the offsets of its skeleton, where the files of its folder have more than one; otherwise
  the subject is not known, and each file is a recording of its own.

A table (`read_label_table`) overrides the rules where they are wrong.
"""

import csv
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

WORDS = {  # activity -> words that name it; the first activity with a word in the name counts
    "run": ("run", "running", "jog", "jogging", "sprint", "sprinting"),
    "walk": ("walk", "walking", "walker", "stroll", "march", "stealthy", "zombie"),
    "turn": ("turn", "turning"),
    "jump": ("jump", "jumping", "hop", "hopping", "leap", "leaping"),
    "dance": ("dance", "dancing", "salsa", "indian", "pirouette", "ballet", "waltz"),
    "fight": ("kick", "kicking", "spinkick", "punch", "punching", "fight", "fighting", "boxing", "martial"),
    "acrobatics": ("backflip", "sideflip", "flip", "cartwheel", "cart", "roll", "handstand", "spin"),
    "ground": ("crawl", "crawling", "getup", "fall", "falling"),
    "sport": ("basketball", "soccer", "tennis", "golf", "football", "baseball"),
    "gesture": ("directing", "wave", "waving", "raise", "signal", "conversation", "talking"),
}
OTHER = "other"
TABLE_COLUMNS = ("subject", "activity", "recording", "content", "style")
READING_COLUMNS = ("fps", "unit")


@dataclass(frozen=True, slots=True)
class Labels:
    """What is known of one motion; empty text where a thing is not known."""

    subject: str
    """Who moves, unique over all sources; empty where unknown."""
    activity: str
    """What is done, in one word: a key of `WORDS`, "other", or what a table says."""
    recording: str
    """Which recording it is from; parts and mirror images of one share it."""
    content: str = ""
    """What is done, in the words of the source."""
    style: str = ""
    """How it is done, in the words of the source."""


def labels_of(name: str, mark: str, telling: bool) -> Labels:
    """Return the labels of a source, by the rules above.

    Args:
        name: of the source in a library, `FOLDER/PATH`.
        mark: what `skeleton_mark` says of the file.
        telling: whether other files of the folder have another mark.
    """
    path = PurePosixPath(name)
    top, stem = path.parts[0], path.stem
    by_skeleton = f"{top}/skeleton-{mark}"
    own = Labels(by_skeleton if mark and telling else "", activity_of(name), name)
    if match := re.fullmatch(r"dataset-\d+_([^_]+)_([^_]+)_\d+", stem):
        content, style = match.groups()
        return Labels(by_skeleton, activity_of(content), name, content, style)
    if match := re.fullmatch(r"(\d{2,3})_(\d{2,3})", stem):
        return replace(own, subject=f"cmu-{match[1]}", recording=f"cmu-{match[1]}_{match[2]}")
    if match := re.fullmatch(r"humanoid3d_(?:long_)?(.+?)(?:_mirror)?", stem):
        recording = match[1].rstrip("0123456789")
        return replace(own, subject="", recording=f"deepmimic/{recording}", content=match[1])
    if match := re.search(r"(?:subject|actor)[-_ ]?\d+", name, re.IGNORECASE):
        return replace(own, subject=f"{top}/{match[0].lower()}")
    if stem.isdigit():
        return replace(own, subject=path.parent.as_posix())
    return own


def activity_of(name: str) -> str:
    """Return the activity that a name speaks of: the last part of its path that says anything counts."""
    for part in reversed(PurePosixPath(name).with_suffix("").parts):
        words = set(re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", part).lower()))
        for activity, known in WORDS.items():
            if words & set(known):
                return activity
    return OTHER


def skeleton_mark(data: bytes) -> str:
    """Return a short hash of the offsets in a BVH file's hierarchy; empty for other files."""
    end = data.find(b"MOTION")
    offsets = re.findall(rb"OFFSET[^\r\n]*", data[:end]) if end > 0 else []
    return hashlib.sha256(b"\n".join(b" ".join(line.split()) for line in offsets)).hexdigest()[:8] * bool(
        offsets
    )


def label_all(marks: Mapping[str, str], table: Sequence[Mapping[str, str]]) -> dict[str, Labels]:
    """Return source -> labels.

    Args:
        marks: source -> `skeleton_mark` of its file.
        table: rows of `read_label_table`; where several patterns fit, the last one counts.
    """
    skeletons: dict[str, set[str]] = {}
    for name, mark in marks.items():
        skeletons.setdefault(PurePosixPath(name).parts[0], set()).update({mark} - {""})
    out = {}
    for name, mark in marks.items():
        labels = labels_of(name, mark, telling=len(skeletons[PurePosixPath(name).parts[0]]) > 1)
        for row in table:
            if fnmatchcase(name, row["pattern"]):
                labels = replace(labels, **{key: row[key] for key in TABLE_COLUMNS if row.get(key)})
        out[name] = labels
    return out


def read_label_table(path: Path) -> list[dict[str, str]]:
    """Read a CSV table that overrides labels, and what files say of their frame rate and unit.

    Its first row names the columns: `pattern`, which sources a row is about, as in `bandai/*_run_*`, and any
    of `subject`, `activity`, `recording`, `content` and `style`, and of `fps` [1/s] and `unit` [m], with
    which a file is read instead of its own. An empty cell leaves what the rules or the file say.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a column is unknown, `pattern` is missing, or a rate or unit is no positive number.
    """
    if not path.is_file():
        raise FileNotFoundError(f"a table of labels must be a file, but {path} is none; check the path")
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        columns = list(reader.fieldnames or ())
        rows = list(reader)
    unknown = [c for c in columns if c not in ("pattern", *TABLE_COLUMNS, *READING_COLUMNS)]
    if "pattern" not in columns or unknown or any(None in row for row in rows):
        raise ValueError(
            f"{path}: a table of labels has the column pattern and some of "
            f"{', '.join((*TABLE_COLUMNS, *READING_COLUMNS))}, and no row longer than the first, but its "
            f"columns are {', '.join(columns) or 'none'}; correct it"
        )
    table = [{key: (value or "").strip() for key, value in row.items()} for row in rows]
    for number, row in enumerate(table, start=2):
        for column in READING_COLUMNS:
            if row.get(column) and not re.fullmatch(r"0*[1-9]\d*(\.\d*)?|0*\.0*[1-9]\d*", row[column]):
                raise ValueError(
                    f"{path}:{number}: {column} must be a positive number, but is {row[column]!r}; correct it"
                )
    return table


def reading_of(name: str, table: Sequence[Mapping[str, str]]) -> dict[str, float]:
    """Return frame rate `fps` [1/s] and `unit` [m] that a source is to be read with, where a table says."""
    rows = [row for row in table if fnmatchcase(name, row["pattern"])]
    return {column: float(row[column]) for row in rows for column in READING_COLUMNS if row.get(column)}
