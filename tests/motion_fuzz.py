"""Small sound motion files, and the ways in which files are damaged, for the tests of the readers."""

import json
import re
from collections.abc import Callable, Iterator

import numpy as np

BVH = """HIERARCHY
ROOT hips
{
  OFFSET 0.00 0.00 0.00
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT leg
  {
    OFFSET 10.00 -50.00 0.00
    CHANNELS 3 Yrotation Zrotation Xrotation
    JOINT shin
    {
      OFFSET 0.00 -45.00 0.00
      CHANNELS 1 Xrotation
      End Site
      {
        OFFSET 0.00 -5.00 0.00
      }
    }
  }
  JOINT spine
  {
    OFFSET 0.00 50.00 0.00
    CHANNELS 3 Zrotation Yrotation Xrotation
    End Site
    {
      OFFSET 0.00 40.00 0.00
    }
  }
}
MOTION
Frames: 6
Frame Time: 0.033333
"""

ASF = """:version 1.10
:units
  mass 1.0
  length 0.45
  angle deg
:documentation
   a leg and a trunk
:root
   order TX TY TZ RX RY RZ
   axis XYZ
   position 0 0 0
   orientation 0 0 0
:bonedata
  begin
     id 1
     name thigh
     direction 0 -1 0
     length 8.5
     axis 0 0 20 XYZ
    dof rx ry rz
    limits (-160.0 20.0)
           (-70.0 70.0)
           (-60.0 70.0)
  end
  begin
     id 2
     name shin
     direction 0 -1 0
     length 7.5
     axis 0 0 20 XYZ
    dof rx
  end
  begin
     id 3
     name foot
     direction 0 0 1
     length 3
     axis 0 0 0 XYZ
  end
  begin
     id 4
     name trunk
     direction 0 1 0
     length 12
     axis 0 0 0 XYZ
    dof rx ry rz
  end
:hierarchy
  begin
    root trunk thigh
    thigh shin
    shin foot
  end
"""

BAD_WORDS = (
    *(
        "nan",
        "inf",
        "-inf",
        "1e400",
        "1e30",
        "-9e99",
        "x",
        "0x1F",
        "1_000",
        "--1",
        "1,5",
        "1.2.3",
        "NULL",
        "1d3",
    ),
    *("\N{ARABIC-INDIC DIGIT THREE}", "\N{FULLWIDTH DIGIT ONE}", "1e", "+", "."),
)
NUMBER = re.compile(r"(?<![\w.+-])[+-]?\d+\.?\d*(?![\w.])")


def sound_files() -> dict[str, dict[str, bytes]]:
    """Return what to call a seed -> file name -> content; the first file is the one to read."""
    rng = np.random.default_rng(7)
    rows = rng.uniform(-40.0, 40.0, (6, 13))
    bvh = BVH + "\n".join(" ".join(f"{value:.4f}" for value in row) for row in rows) + "\n"
    return {
        "bvh": {"clip.bvh": bvh.encode()},
        "amc": {"07_01.amc": amc(rng).encode(), "07.asf": ASF.encode()},
        "asf": {"07.asf": ASF.encode(), "07_01.amc": amc(rng).encode()},
        "json": {"clip.txt": deepmimic(rng).encode()},
    }


def amc(rng: np.random.Generator) -> str:
    """Return an AMC file of five frames."""
    lines = [":FULLY-SPECIFIED", ":DEGREES"]
    for frame in range(1, 6):
        lines.append(str(frame))
        for name, width in (("root", 6), ("trunk", 3), ("thigh", 3), ("shin", 1)):
            lines.append(" ".join([name, *(f"{value:.3f}" for value in rng.uniform(-20.0, 20.0, width))]))
    return "\n".join(lines) + "\n"


def deepmimic(rng: np.random.Generator) -> str:
    """Return a DeepMimic file of four frames, a number a line."""
    frames = []
    for _ in range(4):
        frame = [0.0333, *rng.uniform(0.0, 1.0, 3)]
        for width in (4, 4, 4, 4, 1, 4, 4, 1, 4, 1, 4, 4, 1):
            values = rng.normal(size=width)
            frame += list(values / np.linalg.norm(values)) if width == 4 else list(0.3 * values)
        frames.append([round(value, 5) for value in frame])
    return json.dumps({"Loop": "none", "Frames": frames}, indent=0) + "\n"


Mutation = Callable[[bytes, np.random.Generator], bytes]


def harmless() -> Iterator[tuple[str, Mutation]]:
    """Yield changes of spelling, after which a text file means the same."""

    def on_text(change: Callable[[str], str]) -> Mutation:
        return lambda data, rng: change(data.decode()).encode()

    yield "carriage returns", on_text(lambda text: text.replace("\n", "\r\n"))
    yield "byte order mark", on_text(lambda text: "\ufeff" + text)
    yield "UTF-16", lambda data, rng: data.decode().encode("utf-16")
    yield "no last line end", on_text(lambda text: text.rstrip("\n"))
    yield "blank lines at the end", on_text(lambda text: text + "\n  \n\t\n")
    yield "zero bytes at the end", on_text(lambda text: text + "\0\0\0")
    yield "tabs", on_text(lambda text: text.replace("  ", "\t"))
    yield "blanks before line ends", on_text(lambda text: text.replace("\n", "  \n"))


def damaging() -> Iterator[tuple[str, Mutation]]:
    """Yield damages that a reader must see: it refuses the file, unless what was hit has no meaning."""
    for word in BAD_WORDS:
        yield f"word {word}", lambda data, rng, word=word: replaced(data, rng, word)
    for part in np.linspace(0.02, 0.98, 17):
        yield f"cut at {part:.2f}", lambda data, rng, part=part: data[: int(part * len(data))]
    yield "nothing", lambda data, rng: b""
    yield "blanks only", lambda data, rng: b" \n\t\n"
    yield "cut in the last number", lambda data, rng: data.rstrip()[:-1]
    for count in range(6):
        yield f"number lost {count}", lambda data, rng: replaced(data, rng, "")
        yield f"number twice {count}", lambda data, rng: twice(data, rng)
        yield f"line lost {count}", lambda data, rng: without_line(data, rng)
        yield f"zero byte inside {count}", lambda data, rng: overwritten(data, rng, b"\0")
        yield f"no UTF-8 {count}", lambda data, rng: overwritten(data, rng, b"\xff\xfe\x80")
    for bracket in b"{}[]()":
        yield f"bracket {bracket:c} lost", lambda data, rng, bracket=bracket: without(data, rng, bracket)
    for size in (10, 1000, 100_000):
        yield f"noise {size}", lambda data, rng, size=size: rng.bytes(size)
        yield f"deep {size}", lambda data, rng, size=size: b"[" * size + b"{" * size
        yield f"zeros {size}", lambda data, rng, size=size: bytes(size)


def arbitrary() -> Iterator[tuple[str, Mutation]]:
    """Yield changes that may leave another sound file, which then must be read as finite numbers."""
    for count in range(8):
        yield (
            f"byte changed {count}",
            lambda data, rng: overwritten(data, rng, bytes([rng.integers(32, 127)])),
        )
        yield f"lines swapped {count}", swapped
        yield f"line twice {count}", lambda data, rng: line_twice(data, rng)
        yield f"block lost {count}", block_lost


def places(data: bytes) -> list[re.Match[str]]:
    """Return the numbers in a text, those in comments and headers too."""
    return list(NUMBER.finditer(data.decode()))


def replaced(data: bytes, rng: np.random.Generator, word: str) -> bytes:
    """Return the file with one number replaced by a word."""
    text, found = data.decode(), places(data)
    match = found[rng.integers(len(found))]
    return (text[: match.start()] + word + text[match.end() :]).encode()


def twice(data: bytes, rng: np.random.Generator) -> bytes:
    """Return the file with one number standing twice."""
    text, found = data.decode(), places(data)
    match = found[rng.integers(len(found))]
    return (text[: match.end()] + " " + match[0] + text[match.end() :]).encode()


def without_line(data: bytes, rng: np.random.Generator) -> bytes:
    """Return the file without one line."""
    lines = data.splitlines(keepends=True)
    del lines[rng.integers(len(lines))]
    return b"".join(lines)


def line_twice(data: bytes, rng: np.random.Generator) -> bytes:
    """Return the file with one line standing twice."""
    lines = data.splitlines(keepends=True)
    at = rng.integers(len(lines))
    return b"".join([*lines[: at + 1], *lines[at:]])


def swapped(data: bytes, rng: np.random.Generator) -> bytes:
    """Return the file with two lines in each other's place."""
    lines = data.splitlines(keepends=True)
    first, second = rng.integers(len(lines), size=2)
    lines[first], lines[second] = lines[second], lines[first]
    return b"".join(lines)


def block_lost(data: bytes, rng: np.random.Generator) -> bytes:
    """Return the file without some bytes from its middle."""
    start, end = sorted(rng.integers(len(data), size=2))
    return data[:start] + data[end:]


def overwritten(data: bytes, rng: np.random.Generator, junk: bytes) -> bytes:
    """Return the file with bytes somewhere before its last one overwritten."""
    at = int(rng.integers(len(data) - 10))
    return data[:at] + junk + data[at + len(junk) :]


def without(data: bytes, rng: np.random.Generator, letter: int) -> bytes:
    """Return the file without one of the places where a letter stands."""
    found = [at for at, value in enumerate(data) if value == letter]
    if not found:
        return data
    at = found[rng.integers(len(found))]
    return data[:at] + data[at + 1 :]
