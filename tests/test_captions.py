import json
import math
import re
from itertools import combinations

import pytest

from musclegym.motion.caption_grammar import (
    ACTIONS,
    BANDAI_CONTENTS,
    STYLES,
    Label,
    captions_of_label,
    ing_form,
    label_of_file,
    label_of_name,
    read_label,
    sentences,
    third_person,
)
from musclegym.motion.captions import (
    Caption,
    mirrored_text,
    parse_caption,
    read_annotations,
    read_captions,
    write_captions,
)

ANSWERS = [
    ("a person turns left.", "a person turns right."),
    ("Left and RIGHT and Right", "Right and LEFT and Left"),
    ("steps leftwards, then rightward", "steps rightwards, then leftward"),
    ("a left-handed, right-footed player", "a right-handed, left-footed player"),
    ("walks clockwise", "walks counterclockwise"),
    ("walks counter-clockwise", "walks clockwise"),
    ("walks counter clockwise", "walks clockwise"),
    ("Anticlockwise", "Clockwise"),
    ("walks clock-wise", "walks counter-clock-wise"),
    ("stands upright in bright light, lifts the cleft stick", None),
    ("bends the arm to a right angle", None),
    ("walks forward", None),
]


@pytest.mark.parametrize(("text", "mirrored"), ANSWERS)
def test_mirroring_exchanges_sides_and_senses_of_rotation(text, mirrored):
    assert mirrored_text(text) == (mirrored or text)


@pytest.mark.parametrize(
    "text", ["Turn left", "a RIGHT turn, clockwise", "leftmost counterclockwise clock-wise"]
)
def test_mirroring_a_text_twice_gives_it_back(text):
    assert mirrored_text(mirrored_text(text)) == text


def test_line_of_a_text_file_becomes_a_caption():
    plain = parse_caption("a person kicks left#a/DET person/NOUN kick/VERB left/ADV#0.0#0.0")
    assert plain == Caption(
        "a person kicks left", (("a", "DET"), ("person", "NOUN"), ("kick", "VERB"), ("left", "ADV"))
    )
    part = parse_caption("a person kicks left#left/ADV#1.5#3.0")
    assert (part.start, part.end) == (1.5, 3.0)
    assert part.mirrored() == Caption("a person kicks right", (("right", "ADV"),), 1.5, 3.0)
    assert parse_caption("he and/or she walks#and/or/CCONJ#nan#nan") == Caption(
        "he and/or she walks", (("and/or", "CCONJ"),)
    )


def test_text_files_return_what_was_written(tmp_path):
    captions = (Caption("A person walks.", (("walk", "VERB"),)), Caption("Someone jumps.", (), 0.5, 2.25))
    write_captions(tmp_path / "00001.txt", captions)
    assert (tmp_path / "00001.txt").read_text() == (
        "A person walks.#walk/VERB#0.0#0.0\nSomeone jumps.##0.5#2.25\n"
    )
    assert read_captions(tmp_path / "00001.txt") == captions


def test_text_files_may_have_a_mark_carriage_returns_and_empty_lines(tmp_path):
    path = tmp_path / "00001.txt"
    path.write_bytes(b"\xef\xbb\xbfa person walks#walk/VERB#0.0#0.0\r\n\r\n  \r\na man runs#run/VERB#0#0")
    assert [caption.text for caption in read_captions(path)] == ["a person walks", "a man runs"]


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("a person walks", "a caption reads like"),
        ("a person walks#walk/VERB#0.0", "a caption reads like"),
        ("a person walks#walk#0.0#0.0", "words read like walk/VERB, but one is 'walk'"),
        ("a person walks#walk/VERB#0.0#soon", "start and end must be seconds"),
        ("a person walks#walk/VERB#3.0#2.0", "0 <= start < end"),
        ("a person walks#walk/VERB#inf#inf", "0 <= start < end"),
        ("#walk/VERB#0.0#0.0", "text is empty"),
    ],
)
def test_wrong_lines_are_refused_with_file_line_and_rule(tmp_path, line, rule):
    path = tmp_path / "00002.txt"
    path.write_text(f"a person walks#walk/VERB#0.0#0.0\n{line}\n")
    with pytest.raises(ValueError, match=rf"00002\.txt, line 2: .*{re.escape(rule)}"):
        read_captions(path)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe\x00walk")
    with pytest.raises(ValueError, match=r"bad\.txt: captions must be UTF-8"):
        read_captions(tmp_path / "bad.txt")


def test_texts_that_the_format_cannot_hold_are_refused(tmp_path):
    with pytest.raises(ValueError, match="without '#', but one is 'number #1'"):
        write_captions(tmp_path / "x.txt", [Caption("number #1")])


def test_annotations_are_read_and_faults_named(tmp_path):
    path = tmp_path / "annotations.json"
    note = {"seg_id": "1_0", "text": "A person\n walks.", "start": 0.0, "end": 3.5}
    path.write_text(json.dumps({"00001": {"path": "KIT/4/walk", "duration": 3.5, "annotations": [note]}}))
    clip = read_annotations(path)["00001"]
    assert clip.captions == (Caption("A person walks.", (), 0.0, 3.5),)
    assert (clip.path, clip.duration) == ("KIT/4/walk", 3.5)
    for entry in ({"path": "x", "duration": 1.0}, [], {"path": "x", "duration": 1.0, "annotations": [{}]}):
        path.write_text(json.dumps({"00007": entry}))
        with pytest.raises(ValueError, match="entry '00007': a clip has path, duration and annotations"):
            read_annotations(path)
    path.write_text("[]")
    with pytest.raises(ValueError, match="an object of clips"):
        read_annotations(path)
    path.write_text("{")
    with pytest.raises(ValueError, match="must be JSON"):
        read_annotations(path)


@pytest.mark.parametrize(
    ("verb", "third", "ing"),
    [
        ("walk", "walks", "walking"),
        ("do", "does", "doing"),
        ("punch", "punches", "punching"),
        ("box", "boxes", "boxing"),
        ("play", "plays", "playing"),
        ("carry", "carries", "carrying"),
        ("take", "takes", "taking"),
        ("lie", "lies", "lying"),
        ("get", "gets", "getting"),
        ("run", "runs", "running"),
        ("putt", "putts", "putting"),
        ("balance", "balances", "balancing"),
    ],
)
def test_verbs_are_inflected_as_english_has_it(verb, third, ing):
    assert third_person(verb) == third
    assert ing_form(verb) == ing


def sided(action: str) -> bool:
    return any("{side}" in phrase for phrase in ACTIONS[action])


EVERY_LABEL = [
    Label(action, style, "left" if sided(action) else None) for action in ACTIONS for style in (None, *STYLES)
]
PARTICIPLES = {
    ing_form(verb): third_person(verb)
    for phrases in ACTIONS.values()
    for phrase in phrases
    for verb in re.findall(r"\[(\w+)\]", phrase)
}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("style", [None, *STYLES])
def test_sentences_of_every_label_are_well_formed_and_distinct(action, style):
    label = Label(action, style, "left" if sided(action) else None)
    every = list(sentences(label))
    assert len(every) == len(set(every)) >= 16
    for text in every:
        assert re.fullmatch(r"(?:An? [a-z]+(?: person)?|Someone|Somebody) [A-Za-z ]+\.", text), text
        assert not re.search(r"\b[Aa] [aeiou]|\b[Aa]n [^aeiouAEIOU]|\b(\w+) \1\b", text), text
        words = [word for word in text[:-1].lower().split() if not word.endswith("ly")]
        first = 1 if text.startswith("Some") else 3 if words[2] == "person" else 2
        if words[first] == "is":
            assert words[first + 1] in PARTICIPLES, text
        else:
            assert words[first] in PARTICIPLES.values(), text
        assert words.count("is") == (words[first] == "is"), text
    assert (style is None) == all(text in set(sentences(Label(action, None, label.side))) for text in every)


def test_different_labels_share_no_sentence():
    pools = {label: set(sentences(label)) for label in EVERY_LABEL}
    shared = [(a, b) for a, b in combinations(pools, 2) if pools[a] & pools[b]]
    assert not shared


def test_captions_depend_on_the_seed_and_on_nothing_else():
    label = Label("run", "elderly")
    assert captions_of_label(label, 6, seed=3) == captions_of_label(label, 6, seed=3)
    assert captions_of_label(label, 3, seed=3) == captions_of_label(label, 6, seed=3)[:3]
    assert captions_of_label(label, 6, seed=3) != captions_of_label(label, 6, seed=4)
    assert len(set(captions_of_label(label, 6))) == 6


@pytest.mark.parametrize("label", [label for label in EVERY_LABEL if label.side], ids=str)
def test_captions_of_the_mirrored_label_are_the_mirrored_captions(label):
    mirrored = tuple(caption.mirrored() for caption in captions_of_label(label, 8))
    assert captions_of_label(label.mirrored(), 8) == mirrored
    assert mirrored != captions_of_label(label, 8)


def test_sentences_without_a_side_do_not_change_under_mirroring():
    texts = [text for label in EVERY_LABEL if not label.side for text in sentences(label)]
    assert [mirrored_text(text) for text in texts] == texts


def test_labels_are_refused_by_the_rule_they_break():
    with pytest.raises(ValueError, match=r"an action must be one of walk, .*, but is 'fly'"):
        Label("fly")
    with pytest.raises(ValueError, match=r"a style must be one of active, .*, but is 'sad'"):
        Label("walk", "sad")
    with pytest.raises(ValueError, match="the side of 'walk' must be None, but is 'left'"):
        Label("walk", None, "left")
    with pytest.raises(ValueError, match="the side of 'wave' must be left or right, but is None"):
        Label("wave")
    with pytest.raises(ValueError, match=r"has 1 to \d+ sentences .* but 1000 were asked for"):
        captions_of_label(Label("walk"), 1000)


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("data/dataset-2_walk-turn-left_elderly_004.bvh", Label("walk and turn", "elderly", "left")),
        ("data/dataset-2_run_normal_023.bvh", Label("run", "normal")),
        ("walking_extra/walking_13.bvh", Label("walk")),
        ("basketball_signal/basketball_signal_2.bvh", Label("basketball signal")),
        ("salsa/07.bvh", Label("salsa")),
        ("indian/07.bvh", Label("indian dance")),
        ("long/humanoid3d_long_walk2_mirror.txt", Label("walk")),
        ("humanoid3d_getup_faceup.txt", Label("get up from the back")),
        ("humanoid3d_dance_a.txt", Label("dance")),
        ("motion/cart.bvh", Label("cartwheel")),
        ("02/02_03.amc", None),
        ("standard.bvh", None),
    ],
)
def test_names_of_files_and_folders_give_labels(path, label):
    assert label_of_file(path) == label


def test_bandai_numbers_give_labels(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"content": 2, "style": 1}')
    assert read_label(path) == Label("walk and turn", "elderly", "right")
    for wrong in ('{"content": 12, "style": 1}', '{"content": 2}', "[]", "{"):
        path.write_text(wrong)
        with pytest.raises(ValueError, match=r"a\.json: a label has content 0 to 9 and style 0 to 6, but"):
            read_label(path)
    labels = [label_of_name(content) for content in BANDAI_CONTENTS]
    assert None not in labels
    assert len(set(labels)) == 10


def test_every_bandai_file_gives_its_label_by_name_and_by_numbers(motion_data):
    files = sorted((motion_data("bandai-namco-2") / "data").glob("*.bvh"))
    labels = [label_of_file(path) for path in files]
    assert len(files) == 962
    assert labels == [read_label(path.with_suffix(".json")) for path in files]
    assert len(set(labels)) == 28


def test_every_labelled_file_of_the_other_archives_gives_captions(motion_data):
    for archive, pattern, count in (("cmu-actions", "*/*.bvh", 72), ("cmu-dance", "*/*.bvh", 35)):
        files = list(motion_data(archive).glob(pattern))
        labels = {label_of_file(path) for path in files}
        assert len(files) == count
        assert None not in labels
    clips = list(motion_data("deepmimic").rglob("humanoid3d_*.txt"))
    clips += (motion_data("mass") / "data" / "motion").glob("*.bvh")
    assert {path.name for path in clips if label_of_file(path) is None} == set()


def test_every_tag_of_the_cmu_list_that_names_an_action_gives_captions(motion_data):
    entries = json.loads((motion_data("kit") / "cmu_clip_tags.json").read_text())
    tags = {tag for entry in entries for tag in entry["tags"]} - {"cmu", "auto_tag", "unknown", "blacklist"}
    assert len(tags) == 17
    assert {tag for tag in tags if label_of_name(tag) is None} == set()


def test_mirrored_captions_of_kit_are_what_ours_mirror_to(motion_data):
    clips = read_annotations(motion_data("kit") / "kitml_annotations.json")
    assert sum(len(clip.captions) for clip in clips.values()) == 12_164
    assert all(
        caption.end is not None and math.isfinite(caption.end)
        for c in clips.values()
        for caption in c.captions
    )
    by_path = {clip.path: clip for clip in clips.values()}
    pairs = [
        (own.mirrored().text, theirs.text)
        for path, clip in by_path.items()
        if path.startswith("M/")
        for own, theirs in zip(by_path[path.removeprefix("M/")].captions, clip.captions, strict=True)
    ]
    assert len(pairs) == 6082
    # They write "upleft", "contercounterclockwise" and "left angles", and one spelling of "clock-wise".
    assert sum(ours != theirs for ours, theirs in pairs) == 17
