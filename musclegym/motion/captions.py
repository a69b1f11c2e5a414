"""Captions of motions: the text files of KIT-ML and HumanML3D, KIT-ML's list of annotations, mirrored words.

A text file has one caption per line: the sentence, its words with their parts of speech, and the seconds that
it is about, `a person waves#a/DET person/NOUN wave/VERB#0.0#0.0`; two zeros (or nan) mean the whole clip.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from musclegym.motion.text import read_json

EXAMPLE = "a person waves#a/DET person/NOUN wave/VERB#0.0#0.0"
SIDES = {"left": "right", "right": "left"}
TURN = r"(?P<counter>(?:counter|anti)[- ]?)?clock(?P<joint>-?)wise"
MIRRORED_WORDS = re.compile(
    # Words that begin with a side: "left", "leftwards", "left-handed"; a right angle stays one.
    rf"\b(?P<side>left|right)(?=wards?\b|most\b|ies\b|y\b|s\b|\b)(?![- ]angle)|\b{TURN}\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Caption:
    """What a motion is called, and which part of the clip the words are about.

    Raises:
        ValueError: if the text is empty, or the times are not those of a span.
    """

    text: str
    """The sentence."""
    words: tuple[tuple[str, str], ...] = ()
    """Words with their parts of speech, as data sets give them: ("walk", "VERB")."""
    start: float = 0.0
    """Where in the clip the span begins [s]."""
    end: float | None = None
    """Where it ends [s]; None: with the clip."""

    def __post_init__(self) -> None:
        """Check text and times."""
        if not self.text.strip():
            raise ValueError("a caption must have words, but its text is empty; write some or leave it out")
        end = math.inf if self.end is None else self.end
        if not 0.0 <= self.start < end:
            raise ValueError(
                f"a caption must be about a span with 0 <= start < end, but {self.text!r} has {self.start} "
                f"to {self.end} s; correct the times, or leave them out for the whole clip"
            )

    def mirrored(self) -> "Caption":
        """Return the caption of the mirrored motion."""
        words = tuple((mirrored_text(word), part) for word, part in self.words)
        return replace(self, text=mirrored_text(self.text), words=words)


@dataclass(frozen=True)
class AnnotatedClip:
    """An entry of KIT-ML's list of annotations."""

    path: str
    """Recording that it annotates; begins with `M/` for the mirror image of one."""
    duration: float
    """Length of the recording [s]."""
    captions: tuple[Caption, ...]
    """Its captions."""


def mirrored_text(text: str) -> str:
    """Return `text` with left and right exchanged, and clockwise and counterclockwise, in their case.

    Twice gives the same text back, up to the spelling of anticlockwise, which becomes counterclockwise.
    """
    return MIRRORED_WORDS.sub(mirrored_word, text)


def mirrored_word(match: re.Match[str]) -> str:
    """Return the counterpart of a word that names a side or a sense of rotation."""
    word = match.group()
    if match["side"]:
        other = SIDES[word.lower()]
    else:
        other = f"clock{match['joint']}wise"
        if not match["counter"]:
            other = f"counter{match['joint']}{other}" if match["joint"] else f"counter{other}"
    return other.upper() if word.isupper() else other.capitalize() if word[0].isupper() else other


def read_captions(path: str | Path) -> tuple[Caption, ...]:
    """Return the captions of a KIT-ML or HumanML3D text file, one per line; empty lines are passed over.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a line is not a caption, with file, line, rule and cure.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: captions must be UTF-8 text, but {error}; save the file as UTF-8"
        ) from error
    captions = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                captions.append(parse_caption(line))
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from error
    return tuple(captions)


def parse_caption(line: str) -> Caption:
    """Return the caption of one line of a text file.

    Raises:
        ValueError: if the line is not a caption.
    """
    parts = line.strip().rsplit("#", 3)
    if len(parts) != 4:
        raise ValueError(f"a caption reads like {EXAMPLE!r}, but the line is {line[:80]!r}; write it so")
    text, words, *times = parts
    return Caption(text.strip(), tuple(parse_word(word) for word in words.split()), *parse_span(times))


def parse_word(word: str) -> tuple[str, str]:
    """Return a word and its part of speech from `word/PART`."""
    lemma, slash, part = word.rpartition("/")
    if not slash:
        raise ValueError(f"words read like walk/VERB, but one is {word!r}; add its part of speech")
    return lemma, part


def parse_span(times: list[str]) -> tuple[float, float | None]:
    """Return the start and the end, None with that of the clip, of a span [s]."""
    try:
        start, end = (float(time) for time in times)
    except ValueError as error:
        raise ValueError(f"start and end must be seconds, but are {times}; write 0.0 for both") from error
    start, end = (0.0 if math.isnan(time) else time for time in (start, end))
    return start, end or None


def write_captions(path: str | Path, captions: Iterable[Caption]) -> None:
    """Write a text file as KIT-ML and HumanML3D have them.

    Raises:
        ValueError: if a text holds a line break or `#`, which the format has no way to write.
    """
    lines = []
    for caption in captions:
        if re.search(r"[#\r\n]", caption.text):
            raise ValueError(
                f"captions are written on one line without '#', but one is {caption.text!r}; edit it"
            )
        words = " ".join(f"{word}/{part}" for word, part in caption.words)
        lines.append(f"{caption.text}#{words}#{caption.start}#{caption.end or 0.0}\n")
    Path(path).write_text("".join(lines), encoding="utf-8")


def read_annotations(path: str | Path) -> dict[str, AnnotatedClip]:
    """Return name -> annotated clip of `kitml_annotations.json`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not such a list, with the entry, the rule and the cure.
    """
    entries = read_json(Path(path))
    if not isinstance(entries, dict):
        raise ValueError(
            f"{path}: annotations are an object of clips, but the file holds a "
            f"{type(entries).__name__}; give kitml_annotations.json"
        )
    return {name: annotated_clip(f"{path}, entry {name!r}", entry) for name, entry in entries.items()}


def annotated_clip(where: str, entry: Any) -> AnnotatedClip:
    """Return the clip of one entry of the annotations; `where` names it in the message."""
    try:
        captions = tuple(
            Caption(" ".join(note["text"].split()), (), float(note["start"]), float(note["end"]))
            for note in entry["annotations"]
        )
        return AnnotatedClip(str(entry["path"]), float(entry["duration"]), captions)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{where}: a clip has path, duration and annotations with text, start and end, but "
            f"{type(error).__name__}: {error}; repair or remove the entry"
        ) from error
