"""The quickstart, its report, and pictures."""

import re
from html.parser import HTMLParser

import pytest
from PIL import Image

from musclegym.charts import line_chart
from musclegym.policies.bench import number, rollout_rows
from musclegym.policies.quickstart import QuickstartConfig, quickstart, stage, without_details
from musclegym.policies.quickstart_report import running_mean
from musclegym.policies.replay import save_animation
from musclegym.report import Film, Report, Table, page

VOID = {"meta", "link", "img", "br", "path", "use"}


class Page(HTMLParser):
    """Collects tags and checks that each is closed where it was opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


@pytest.fixture
def report(tmp_path) -> Report:
    frames = [Image.new("RGB", (64, 48), colour) for colour in ("red", "blue")]
    save_animation(tmp_path / "film.webp", frames, 0.1)
    return Report(
        title="A & B",
        lead="<script>",
        facts={"one": "1"},
        films=[Film((tmp_path / "film.webp").read_bytes(), "two colours", "red, then blue")],
        films_note="",
        charts=[line_chart({"up": ([0, 1], [1, 2])}, "time", "Height [m]", levels={"ground": 0.5})],
        charts_note="",
        tables=[Table("Numbers", "how to read them", ["", "x"], [["row", "1.0"]])],
        commands={"musclegym info": "look around"},
        footer="end",
    )


def test_a_report_needs_nothing_beside_it(report):
    text = page(report)
    parsed = Page(text)
    assert not re.search(r"https?://|url\((?!#)", text)
    assert all(link.startswith(("data:", "#")) for link in parsed.links)
    assert "script" not in parsed.tags


def test_a_report_shows_what_it_is_given(report):
    text = page(report)
    assert {"svg", "table", "img", "pre"} <= set(Page(text).tags)
    for words in (
        "A &amp; B",
        "&lt;script&gt;",
        "how to read them",
        "musclegym info",
        "Height [m]",
        "ground",
    ):
        assert words in text


def test_an_animation_keeps_its_frames_and_pace(tmp_path):
    frames = [Image.new("RGB", (64, 48), (40 * i, 0, 0)) for i in range(5)]
    for name in ("film.gif", "film.webp"):
        save_animation(tmp_path / name, frames, 1.0 / 30.0 * 3)
        with Image.open(tmp_path / name) as film:
            assert (film.n_frames, film.size) == (5, (64, 48))  # type: ignore[attr-defined]
            film.seek(1)
            film.load()
            assert film.info["duration"] == 100


def test_running_mean_looks_back():
    assert running_mean([1.0, 3.0, 5.0, 7.0], 2) == [1.0, 2.0, 4.0, 6.0]
    assert running_mean([2.0], 20) == [2.0]


def test_numbers_that_are_missing_become_a_dash():
    assert [number(value, 1) for value in (None, float("nan"), 1.25)] == ["-", "-", "1.2"]


def test_the_table_of_rollouts_puts_priors_and_policies_on_the_same_horizons():
    measured = ((1, 1.0, 2.0), (30, 0.0, None))
    records = [{"horizon": h, "alive": a, "root_relative_error_mm": e} for h, a, e in measured]
    known = {
        name: {"root_relative_error_mm": 3.0} for name in ("prior", "zero_velocity", "constant_velocity")
    }
    result = {
        "policies": {"zero_action": {"horizons": records}},
        "prior": {"horizons": [{"horizon": 30, **known}]},
    }
    head, rows = rollout_rows(result)
    assert head == ["frames ahead", "1", "30"]
    assert rows[0] == ["MotionNN: joint error [mm]", "-", "3.0"]
    assert rows[-2:] == [
        ["zero action: still up [%]", "100", "0"],
        ["zero action: joint error [mm]", "2.0", "-"],
    ]


def test_a_summary_leaves_out_curves_and_episodes():
    record = {"policy": {"steps": 3, "curve": [1, 2]}, "before": {"episodes": [], "table": {"a": 1}}}
    assert without_details(record) == {"policy": {"steps": 3}, "before": {"table": {"a": 1}}}
    assert without_details({"clips": [{"name": "walk", "source": "a/b"}]}) == {"clips": [{"name": "walk"}]}


def test_a_stage_that_is_done_is_not_done_again(tmp_path, capsys):
    calls = []

    def work() -> dict[str, float]:
        calls.append(1)
        return {"value": 1.5}

    first, second = (stage(tmp_path / "stages" / "one.json", "one", work) for _ in range(2))
    assert first == second
    assert first["result"] == {"value": 1.5}
    assert len(calls) == 1
    assert "done before" in capsys.readouterr().out


def test_a_stage_that_fails_leaves_nothing_behind(tmp_path):
    def work() -> dict[str, float]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stage(tmp_path / "one.json", "one", work)
    assert not (tmp_path / "one.json").exists()


@pytest.mark.parametrize("settings", [{"minutes": 0.0}, {"episodes": 0}, {"workers": 0}])
def test_settings_that_cannot_be_are_refused(settings):
    with pytest.raises(ValueError, match=r"use e\.g\."):
        QuickstartConfig(**settings)


@pytest.mark.slow
def test_a_tiny_quickstart_goes_from_motions_to_a_report_and_is_then_done(tmp_path, capsys):
    config = QuickstartConfig(run=tmp_path / "run", minutes=0.3, episodes=2)
    record = quickstart(config)
    text = (config.run / "report.html").read_text(encoding="utf-8")
    parsed = Page(text)
    assert parsed.tags.count("svg") == 3
    assert parsed.tags.count("img") == 2
    assert not re.search(r"https?://", text)
    for part in ("policy/policy.safetensors", "prior/prior.safetensors", "quickstart.json"):
        assert (config.run / part).is_file()
    assert record["after"]["result"]["torque"]["table"]["episode_steps"]["mean"] > 1.0
    capsys.readouterr()
    assert quickstart(config) == record
    assert capsys.readouterr().out.count("done before") == len(record)
    with pytest.raises(ValueError, match="holds a quickstart with"):
        quickstart(QuickstartConfig(run=config.run, minutes=0.5, episodes=2))
