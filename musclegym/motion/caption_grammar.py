"""Sentences for motions that have a label only: what is done, in which style, to which side.

A label comes from where a file lies and what it is called. Its sentences come from a small grammar: who does
it, in which tense, in which words, and where the manner stands. All of them are listed and shuffled by the
seed, so the same seed gives the same sentences, and the mirrored label their mirror images.
"""

import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from musclegym.motion.captions import Caption
from musclegym.motion.text import read_json

SUBJECTS = ("a person", "someone", "somebody", "a human")

ACTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        # Verbs in brackets are put into the tense; {side} is left or right.
        "walk": ("[walk]", "[walk] forward", "[walk] ahead", "[take] several steps forward"),
        "walk around": ("[walk] around", "[walk] here and there", "[go] for a walk"),
        "walk and turn": (
            "[walk] forward and [turn] {side}",
            "[walk] and then [turn] to the {side}",
            "[turn] {side} while walking",
            "[walk] a curve to the {side}",
        ),
        "sneak": ("[sneak]", "[walk] stealthily", "[sneak] forward", "[walk] on soft feet"),
        "zombie walk": ("[walk] like a zombie", "[stagger] forward like a zombie", "[move] like a zombie"),
        "start to walk": ("[stand] and then [start] to walk", "[begin] to walk from a standing pose"),
        "stop walking": ("[walk] and then [stop]", "[come] to a stop after walking"),
        "run": ("[run]", "[run] forward", "[run] ahead"),
        "jog": ("[jog]", "[jog] forward", "[run] at an easy pace"),
        "march": ("[march]", "[march] forward", "[walk] like a soldier"),
        "jump": ("[jump]", "[jump] up", "[jump] into the air"),
        "kick": ("[kick]", "[kick] into the air", "[perform] a kick"),
        "kick a ball": ("[play] soccer", "[kick] a ball", "[kick] a soccer ball"),
        "football": ("[play] football", "[make] a football move"),
        "basketball": ("[play] basketball", "[dribble] a basketball", "[bounce] a ball"),
        "basketball signal": (
            "[give] signals like a basketball referee",
            "[signal] with the arms like a basketball referee",
            "[make] the arm signals of a basketball referee",
        ),
        "direct traffic": ("[direct] traffic", "[direct] traffic with the arms", "[wave] the traffic on"),
        "wave": ("[wave] with the {side} hand", "[wave] the {side} hand"),
        "wave both": ("[wave] with both hands", "[wave] both hands"),
        "raise": ("[raise] the {side} hand", "[lift] the {side} hand"),
        "raise both": ("[raise] both hands", "[lift] both hands"),
        "dance": ("[dance]", "[perform] a dance", "[do] a dance"),
        "salsa": ("[dance] salsa", "[dance] the salsa", "[perform] a salsa dance"),
        "indian dance": ("[perform] an Indian dance", "[dance] an Indian dance", "[do] an Indian dance"),
        "spin": ("[spin] around", "[turn] on the spot", "[perform] a spin"),
        "pirouette": ("[perform] a pirouette", "[spin] in a pirouette", "[do] a pirouette"),
        "balance": ("[balance] on one leg", "[keep] in balance", "[stand] and [balance]"),
        "punch": ("[punch]", "[throw] a punch", "[punch] into the air"),
        "box": ("[box]", "[throw] punches", "[shadowbox]"),
        "spin kick": ("[perform] a spinning kick", "[spin] around and [kick]", "[do] a spin kick"),
        "roll": ("[roll] over the ground", "[perform] a roll", "[roll] on the floor"),
        "crawl": ("[crawl]", "[crawl] over the floor", "[move] on hands and knees"),
        "get up from the front": ("[get] up from lying face down", "[lie] face down and then [get] up"),
        "get up from the back": ("[get] up from lying on the back", "[lie] on the back and then [get] up"),
        "cartwheel": ("[turn] a cartwheel", "[do] a cartwheel", "[perform] a cartwheel"),
        "backflip": ("[do] a backflip", "[perform] a backflip", "[flip] over backwards"),
        "side flip": ("[do] a side flip", "[perform] a side flip", "[flip] over sideways"),
        "climb": ("[climb]", "[climb] up", "[climb] up on something"),
        "golf": ("[play] golf", "[play] a golf shot", "[hit] a golf ball"),
        "golf swing": ("[swing] a golf club", "[make] a golf swing", "[drive] a golf ball"),
        "golf putt": ("[putt] a golf ball", "[make] a putt", "[play] a putt"),
    }
)


@dataclass(frozen=True)
class Style:
    """How something is done."""

    adverbs: tuple[str, ...] = ()
    """Words that stand before the verb or at the end."""
    phrases: tuple[str, ...] = ()
    """Phrases that stand at the end."""
    adjectives: tuple[str, ...] = ()
    """Words for a person who does it so."""


STYLES: Mapping[str, Style] = MappingProxyType(
    {
        "active": Style(
            ("energetically", "actively"), ("with energy", "in a lively way"), ("energetic", "active")
        ),
        "elderly": Style((), ("like an elderly person", "like an old person"), ("elderly", "old")),
        "exhausted": Style(("wearily", "tiredly"), ("as if exhausted",), ("exhausted", "tired")),
        "feminine": Style((), ("in a feminine way", "in a feminine manner"), ()),
        "masculine": Style((), ("in a masculine way", "in a masculine manner"), ()),
        "normal": Style((), ("normally", "in a normal way", "at a normal pace"), ()),
        "youthful": Style((), ("in a youthful way", "like a young person"), ("young", "youthful")),
    }
)
PLAIN = Style()

IRREGULAR_ING = MappingProxyType({"lie": "lying", "spin": "spinning", "run": "running", "jog": "jogging"})
DOUBLED = ("get", "stop", "hit", "flip", "swim", "begin", "sit", "step", "hop", "skip")

NAMES: Mapping[str, tuple[str, str | None]] = MappingProxyType(
    {
        # What files and folders call an action -> our name for it, and its side.
        "walk": ("walk", None),
        "walking": ("walk", None),
        "walking extra": ("walk around", None),
        "walk turn left": ("walk and turn", "left"),
        "walk turn right": ("walk and turn", "right"),
        "wave left hand": ("wave", "left"),
        "wave right hand": ("wave", "right"),
        "wave both hands": ("wave both", None),
        "raise up left hand": ("raise", "left"),
        "raise up right hand": ("raise", "right"),
        "raise up both hands": ("raise both", None),
        "stealthy walk": ("sneak", None),
        "zombie": ("zombie walk", None),
        "ready to walk": ("start to walk", None),
        "walk to ready": ("stop walking", None),
        "running": ("run", None),
        "jumping": ("jump", None),
        "soccer": ("kick a ball", None),
        "directing traffic": ("direct traffic", None),
        "dance salsa": ("salsa", None),
        "indian": ("indian dance", None),
        "dance a": ("dance", None),
        "dance b": ("dance", None),
        "dance spin": ("spin", None),
        "boxing": ("box", None),
        "spinkick": ("spin kick", None),
        "getup facedown": ("get up from the front", None),
        "getup faceup": ("get up from the back", None),
        "cart": ("cartwheel", None),
        "sideflip": ("side flip", None),
    }
)

BANDAI_CONTENTS = (
    # In the order of the data set's `content_label.txt`.
    *("walk", "walk-turn-left", "walk-turn-right", "run"),
    *("wave-both-hands", "wave-left-hand", "wave-right-hand"),
    *("raise-up-both-hands", "raise-up-left-hand", "raise-up-right-hand"),
)


@dataclass(frozen=True)
class Label:
    """What a motion shows.

    Raises:
        ValueError: if action or style is unknown, or a side is missing or out of place.
    """

    action: str
    """Key of `ACTIONS`."""
    style: str | None = None
    """Key of `STYLES`, if any."""
    side: str | None = None
    """Left or right, for actions that have a side."""

    def __post_init__(self) -> None:
        """Check the three against the grammar."""
        if self.action not in ACTIONS:
            raise ValueError(
                f"an action must be one of {', '.join(ACTIONS)}, but is {self.action!r}; choose one"
            )
        if self.style is not None and self.style not in STYLES:
            raise ValueError(f"a style must be one of {', '.join(STYLES)}, but is {self.style!r}; choose one")
        sided = any("{side}" in phrase for phrase in ACTIONS[self.action])
        if self.side not in (("left", "right") if sided else (None,)):
            rule = "left or right" if sided else "None"
            raise ValueError(f"the side of {self.action!r} must be {rule}, but is {self.side!r}; correct it")

    def mirrored(self) -> "Label":
        """Return the label of the mirrored motion."""
        return replace(self, side={"left": "right", "right": "left", None: None}[self.side])


def label_of_file(path: str | Path) -> Label | None:
    """Return the label that a file's name, or that of its folder, stands for; None if neither is known.

    Knows the file names of Bandai-Namco's second data set, DeepMimic and MASS, and the CMU archives' folders.
    """
    path = Path(path)
    bandai = re.fullmatch(r"dataset-\d_(?P<action>[a-z-]+)_(?P<style>[a-z]+)_\d+", path.stem)
    if bandai:
        label = label_of_name(bandai["action"])
        return replace(label, style=bandai["style"]) if label and bandai["style"] in STYLES else label
    for name in (path.stem, path.parent.name):
        label = label_of_name(name)
        if label:
            return label
    return None


def read_label(path: str | Path) -> Label:
    """Return the label in a JSON file of Bandai-Namco's second data set: numbers of content and style.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it does not hold the two numbers.
    """
    try:
        record = read_json(Path(path))
        style, label = (
            tuple(STYLES)[int(record["style"])],
            label_of_name(BANDAI_CONTENTS[int(record["content"])]),
        )
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: a label has content 0 to {len(BANDAI_CONTENTS) - 1} and style 0 to {len(STYLES) - 1}, "
            f"but {type(error).__name__}: {error}; fetch the file again"
        ) from error
    assert label is not None
    return replace(label, style=style)


def label_of_name(name: str) -> Label | None:
    """Return the label that a name such as `walking_extra`, `golf_swing` or `humanoid3d_jog` stands for."""
    words = re.sub(r"^humanoid3d_(?:long_)?|_mirror$", "", name.lower())
    words = re.sub(r"[\W_]+", " ", re.sub(r"\d+", "", words)).strip()
    action, side = NAMES.get(words, (words, None))
    known = action in ACTIONS and (side is not None or "{side}" not in "".join(ACTIONS[action]))
    return Label(action, None, side) if known else None


def captions_of_label(label: Label, count: int = 4, seed: int = 0) -> tuple[Caption, ...]:
    """Return `count` different sentences for a label; the first ones are the same for any `count`.

    Raises:
        ValueError: if the grammar has fewer sentences.
    """
    every = list(dict.fromkeys(sentences(label)))
    if not 0 < count <= len(every):
        raise ValueError(
            f"the grammar has 1 to {len(every)} sentences for {label}, but {count} were asked for; ask for "
            f"a number in that range"
        )
    words = f"{label.action}, {label.style}"  # not the side, so that mirrored labels give mirrored sentences
    order = np.random.default_rng([seed, zlib.crc32(words.encode())]).permutation(len(every))
    return tuple(Caption(every[index]) for index in order[:count])


def sentences(label: Label) -> Iterator[str]:
    """Yield every sentence that the grammar has for a label."""
    style = STYLES[label.style] if label.style else PLAIN
    for phrase in ACTIONS[label.action]:
        words = phrase.format(side=label.side)
        for progressive in (False, True):
            verb = inflected(words, progressive)
            for subject in SUBJECTS:
                yield from with_manner(subject, verb, progressive, style)
            for adjective in style.adjectives:
                yield sentence(with_article(f"{adjective} person"), auxiliary(progressive), verb)


def with_manner(subject: str, verb: str, progressive: bool, style: Style) -> Iterator[str]:
    """Yield the sentences of one subject and one form of the verb, one for each manner and place of it."""
    if style is PLAIN:
        yield sentence(subject, auxiliary(progressive), verb)
    for adverb in style.adverbs:
        yield sentence(subject, auxiliary(progressive), adverb, verb)
    for manner in (*style.adverbs, *style.phrases):
        yield sentence(subject, auxiliary(progressive), verb, manner)


def auxiliary(progressive: bool) -> str:
    """Return what stands before the verb."""
    return "is" if progressive else ""


def sentence(*parts: str) -> str:
    """Return the words as a sentence, with a capital letter and a full stop."""
    words = " ".join(part for part in parts if part)
    return f"{words[0].upper()}{words[1:]}."


def with_article(noun: str) -> str:
    """Return a noun phrase with its indefinite article."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def inflected(phrase: str, progressive: bool) -> str:
    """Return a phrase with the verbs in brackets as -ing forms, or in the third person."""
    form = ing_form if progressive else third_person
    return re.sub(r"\[(\w+)\]", lambda match: form(match[1]), phrase)


def third_person(verb: str) -> str:
    """Return the third person of a verb's present tense."""
    if re.search(r"(?:s|x|z|ch|sh|o)$", verb):
        return f"{verb}es"
    return f"{verb[:-1]}ies" if re.search(r"[^aeiou]y$", verb) else f"{verb}s"


def ing_form(verb: str) -> str:
    """Return the present participle of a verb."""
    if verb in IRREGULAR_ING:
        return IRREGULAR_ING[verb]
    if verb in DOUBLED:
        return f"{verb}{verb[-1]}ing"
    return f"{verb[:-1]}ing" if re.search(r"[^e]e$", verb) else f"{verb}ing"
