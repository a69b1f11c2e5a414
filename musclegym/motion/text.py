"""Text files from anywhere, read within limits, so that a damaged one costs little and is named.

Limits: a file has at most 256 MiB (`MAX_BYTES`); its numbers lie within a million (`LARGEST`: a kilometre in
millimetres, thousands of turns in degrees); frame rates within 0.1 to 10,000 per second (`RATES`); and each
joint takes at least two bytes a frame (`check_size`), so that a clip takes no more than some 150 times the
memory of its file. Every reader's time grows in proportion to the file.
"""

import codecs
import json
import re
from pathlib import Path
from typing import Any

MAX_BYTES = 2**28
LARGEST = 1e6
RATES = (0.1, 1e4)
BYTES_PER_JOINT = 2  # the shortest a joint's frame can be: a digit and a blank
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def read_text(path: Path) -> str:
    """Return the text of a file in UTF-8, or in UTF-16 if it starts with that encoding's mark.

    At its end zero bytes and blanks but for line ends are dropped (pybullet_data's motions end in zeros).

    Raises:
        ValueError: if the file is empty, too large, binary, or in another encoding.
    """
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(
            f"{path}: a motion file has at most {MAX_BYTES} bytes, but this one has {size}; cut it into clips"
        )
    data = path.read_bytes()
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig").rstrip("\0 \t")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path}:{line}: a motion file is text in UTF-8 or UTF-16, but here is byte "
            f"0x{data[error.start]:02x}; the file is damaged or in another encoding: save it as UTF-8"
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ValueError(
            f"{path}:{line}: a motion file is text, but here is a zero byte; the file is binary or damaged: "
            "get it again"
        )
    if not text.strip():
        raise ValueError(f"{path}:1: a motion file holds text, but this one is empty; get it again")
    return text


def read_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        ValueError: if it is no JSON, is nested too deeply, or has an object with a key twice.
    """
    text = read_text(path)
    try:
        return json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        line, fault = error.lineno, error.msg
    except RecursionError:
        line, fault = 1, "its brackets are nested too deeply"
    except ValueError as error:
        line, fault = 1, str(error)
    raise ValueError(f"{path}:{line}: this must be JSON, but {fault}; the file is damaged: get it again")


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of these keys and values.

    Raises:
        ValueError: if a key stands twice.
    """
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("an object of it has a key twice")
    return record


def without_comments(text: str) -> list[str]:
    """Return the lines without comments: from a `#` that starts a line or follows a blank to its end."""
    lines = text.splitlines()
    return [re.sub(r"(^|\s)#.*", "", line) if "#" in line else line for line in lines]


def check_end(path: Path, line: int, last: str, others: list[str]) -> None:
    """Refuse files that end within a number: without a line end, and with fewer decimals than ever before.

    Where numbers are written with varying decimals such a cut leaves no trace.

    Args:
        path: a file without a line end after its last word.
        line: its last line, from 1.
        last: its last word.
        others: the words that stand in the same place in the frames before.

    Raises:
        ValueError: if the last number has fewer decimals than all of the others.
    """
    decimals = [len(word.partition(".")[2]) for word in others]
    plain = not any("e" in word.lower() for word in [last, *others])
    if decimals and plain and len(last.partition(".")[2]) < min(decimals):
        raise broken(path, line, f"the last number has {min(decimals)} decimals, as those before it", last)


def broken(path: Path, line: int, rule: str, given: object) -> ValueError:
    """Return the error that refuses a file.

    Args:
        path: the file.
        line: line of the file, from 1.
        rule: what holds in a sound file.
        given: what the file has there.
    """
    return ValueError(
        f"{path}:{line}: {rule}, but here is {str(given)[:80]!r}; repair it or get the file again"
    )


def is_number(word: str) -> bool:
    """Whether a word is a decimal number no larger than `LARGEST`."""
    return NUMBER.fullmatch(word) is not None and abs(float(word)) <= LARGEST


def check_rate(place: str, fps: float) -> None:
    """Refuse frame rates outside `RATES`.

    Raises:
        ValueError: naming `place`, a file and line.
    """
    if not RATES[0] <= fps <= RATES[1]:
        raise ValueError(
            f"{place}: a motion has {RATES[0]} to {RATES[1]:.0f} frames per second, but this one has "
            f"{fps:.6g}; correct the file, or give fps="
        )


def check_size(path: Path, joints: int, frames: int) -> None:
    """Refuse files whose clip would take far more memory than the file.

    Raises:
        ValueError: if there are fewer than two bytes for each joint and frame.
    """
    size = path.stat().st_size
    if joints * frames * BYTES_PER_JOINT > size:
        raise ValueError(
            f"{path}: {joints} joints and {frames} frames need {BYTES_PER_JOINT} bytes each, but the file "
            f"has {size}; most joints have no channels: export the file without them"
        )
