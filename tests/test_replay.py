"""Films of episodes, recordings of what happened in them, and the page of plots."""

import json
import re
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import gymnasium
import imageio_ffmpeg
import numpy as np
import pytest
from gymnasium.wrappers import RecordVideo
from PIL import Image

import musclegym
from musclegym.gait import PhaseAgreement
from musclegym.motion import load_motion, read_motion
from musclegym.motion.body_clip import poses_of
from musclegym.policies.environment import EnvironmentConfig
from musclegym.policies.gait_numbers import fast_share, gait_record, jerk
from musclegym.policies.gait_page import verdicts
from musclegym.policies.recording import Recording
from musclegym.policies.replay import ReplayConfig, replay, save_animation
from musclegym.policies.replay_page import write_page

TORQUE = EnvironmentConfig(actuation="torque")
VOID = {"meta", "link", "img", "path", "use"}


@pytest.fixture(scope="module")
def human():
    return musclegym.load_body("human")


class Page(HTMLParser):
    """Counts tags and gathers links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.titles: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.links += [given[name] or "" for name in ("src", "href", "xlink:href") if name in given]
        if tag == "svg":
            self.titles.append(given["aria-label"] or "")


def walked(human, seconds: float, muscles: bool = True) -> Recording:
    """A body that follows the walk perfectly, each foot loaded while it is ahead of the other."""
    motion = load_motion("walk", human)
    time = np.arange(1, round(30 * seconds) + 1) / 30.0
    q = motion.at(time)[0]
    phase = time / motion.duration % 1.0
    force = np.stack([phase < 0.5, phase >= 0.5], axis=1) * human.skeleton.total_mass * human.gravity
    activation = np.tile(phase[:, None], (1, human.n_muscles)) if muscles else np.zeros((len(time), 0))
    torque, action = np.zeros_like(q), np.zeros((len(time), 50))
    torque[:, human.dof_names.index("TalusL_x")] = 73.0 * (phase < 0.5)
    work = {"joint_work": np.full(len(time), 2.0)}
    return Recording(human, time, q, q, activation, force, torque, action, work)


def frames(colours: tuple[str, ...], size: tuple[int, int] = (64, 48)) -> list[Image.Image]:
    return [Image.new("RGB", size, colour) for colour in colours]


def read_video(path: Path) -> tuple[float, np.ndarray]:
    """Return frames per second and frames (frame, height, width, 3) of a video."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    found = re.search(rb"Video: h264.* (\d+)x(\d+)[ ,].* ([\d.]+) fps", done.stderr)
    assert found is not None, done.stderr
    width, height, rate = int(found[1]), int(found[2]), float(found[3])
    return rate, np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width, 3)


def test_a_film_holds_its_frames_at_their_rate(tmp_path):
    save_animation(tmp_path / "film.mp4", frames(("red", "green", "blue")), 0.1)
    rate, pictures = read_video(tmp_path / "film.mp4")
    assert rate == pytest.approx(10.0)
    assert pictures.shape == (3, 48, 64, 3)
    assert [int(picture.mean(axis=(0, 1)).argmax()) for picture in pictures] == [0, 1, 2]


def test_a_film_of_odd_size_loses_the_edge(tmp_path):
    save_animation(tmp_path / "film.mp4", frames(("red",), (65, 49)), 0.1)
    assert read_video(tmp_path / "film.mp4")[1].shape == (1, 48, 64, 3)


def test_replay_makes_a_film_of_the_body_and_a_page(tmp_path):
    out = tmp_path / "new" / "zero.mp4"
    assert replay(ReplayConfig("zero", out=out, seconds=0.3, width=160, environment=TORQUE)) == 9
    _, pictures = read_video(out)
    assert pictures.shape == (9, 120, 160, 3)
    assert pictures[0].std() > 5.0
    assert np.abs(pictures[-1].astype(float) - pictures[0]).max() > 50.0
    text = out.with_suffix(".html").read_text(encoding="utf-8")
    page = Page(text)
    assert "video" in page.tags
    assert "Knee flexion [°]" in page.titles
    assert not any("side" in title for title in page.titles)  # muscles do not act under torque
    assert not re.search(r"https?://", text)
    assert all(link.startswith(("data:", "#")) for link in page.links)


def test_an_episode_without_a_motion_is_filmed_too(tmp_path):
    out, numbers = tmp_path / "stand.gif", tmp_path / "stand.json"
    stand = EnvironmentConfig(actuation="torque", task="stand")
    config = ReplayConfig("zero", out=out, json=numbers, seconds=0.1, width=160, environment=stand)
    assert replay(config) == 3
    record = json.loads(numbers.read_text())
    assert (record["policy"], record["control_steps"]) == ("zero", 3)
    assert record["cycles"] == {"left": 0, "right": 0}
    assert (record["angles"], record["muscles"], record["jitter"]["motion_jerk"]) == ({}, {}, None)
    text = out.with_suffix(".html").read_text(encoding="utf-8")
    assert "Knee flexion" in text
    assert "left, motion" not in text


def test_what_a_policy_did_comes_back_from_its_bvh(tmp_path, human):
    out = tmp_path / "zero.gif"
    steps = replay(
        ReplayConfig("zero", out=out, page=False, bvh=True, seconds=0.3, width=64, environment=TORQUE)
    )
    clip = read_motion(out.with_suffix(".bvh"))
    assert (len(clip.root), clip.fps) == (steps, 30.0)
    q = poses_of(clip, human.skeleton)
    assert q is not None
    assert np.abs(q[:, 4]).max() < 0.2  # the pelvis stays near its height


def test_replay_makes_an_animation_without_a_page(tmp_path):
    out = tmp_path / "zero.gif"
    config = ReplayConfig("zero", out=out, page=False, seconds=0.2, every=2, width=160, environment=TORQUE)
    assert replay(config) == 6
    with Image.open(out) as film:
        assert (film.n_frames, film.size) == (3, (160, 120))  # type: ignore[attr-defined]
    assert not out.with_suffix(".html").exists()


@pytest.mark.parametrize("out", ["film.avi", "film"])
def test_a_film_of_another_kind_is_refused(out):
    with pytest.raises(ValueError, match=r"must end in \.mp4, \.gif or \.webp, .* use e\.g\. film\.mp4"):
        ReplayConfig("zero", out=Path(out))


@pytest.mark.parametrize("given", [{"seconds": 0.0}, {"every": 0}, {"width": 1}])
def test_a_film_of_no_length_or_size_is_refused(given):
    with pytest.raises(ValueError, match=r"use e\.g\. 10, 1 and 480"):
        ReplayConfig("zero", **given)


def test_a_time_between_pushes_without_pushes_is_refused():
    with pytest.raises(ValueError, match=r"push_every needs a push, .* add e\.g\. --push 20"):
        ReplayConfig("zero", push_every=0.5)


def test_slope_push_and_ghost_become_options_of_the_environment():
    config = ReplayConfig("zero", slope=0.1, push=20.0, ghost=True)
    assert config.world() == {
        "ghost": True,
        "ground": {"slope": 0.1, "direction": 0.0},
        "pushes": {"impulse": 20.0, "interval": 1.0},
    }
    assert ReplayConfig("zero").world() == {}


def test_a_recorded_walk_has_whole_cycles_of_both_feet(human):
    walk = walked(human, 4.0)
    assert min(walk.cycles.values()) >= 1
    assert walk.distance == pytest.approx(walk.q[-1, 5] - walk.q[0, 5], rel=0.05)  # the pelvis sways
    assert walk.speed == pytest.approx(walk.distance / (walk.time[-1] - walk.time[0]))
    knee = walk.q[:, human.dof_names.index("TibiaL")]
    cycles = walk.over_cycles(knee, "left")
    assert cycles.shape == (walk.cycles["left"], 101)
    cycle = cycles.mean(axis=0)
    assert 0.6 < np.argmax(cycle) / 100.0 < 0.85  # the knee bends most in swing
    assert cycle[0] == pytest.approx(cycle[-1], abs=0.1)


def test_who_turns_has_gone_the_way_along_the_turn(human):
    circle = walked(human, 2.0)
    angle = np.linspace(0.0, 2.0 * np.pi, len(circle.time))
    circle.q[:, 3], circle.q[:, 5] = 2.0 * np.cos(angle), 2.0 * np.sin(angle)
    assert circle.distance == pytest.approx(2.0 * np.pi * 2.0, rel=1e-3)


def test_who_follows_the_motion_exactly_walks_as_it_does(human):
    record = gait_record(walked(human, 4.0))
    assert record["steps"]["policy"] == record["steps"]["motion"]
    assert set(record["angles"]) == {
        "hip flexion",
        "knee flexion",
        "ankle dorsiflexion",
        "elbow flexion",
        "shoulder flexion",
    }
    for sides in record["angles"].values():
        for found in sides.values():
            assert found["difference"] == pytest.approx(0.0, abs=1e-9)
            assert found["correlation"] == pytest.approx(1.0)
    assert record["jitter"]["jerk"] == record["jitter"]["motion_jerk"] > 0.0
    assert np.isnan(record["jitter"]["action_fast_share"])  # it never changes
    assert len(record["muscles"]) == 16
    assert record["torques"]["ankle plantarflexion"] == pytest.approx({"left": 1.0, "right": 0.0})


def test_a_limp_shows_in_the_angles_beside_the_motion(human):
    limp = walked(human, 4.0)
    q = limp.q.copy()
    q[:, human.dof_names.index("TibiaL")] *= 0.5
    angles = gait_record(replace(limp, q=q))["angles"]["knee flexion"]
    assert angles["left"]["range"] == pytest.approx(0.5 * angles["left"]["motion_range"], rel=0.02)
    assert angles["right"]["range"] == pytest.approx(angles["right"]["motion_range"])


def test_jerk_is_the_third_derivative_of_the_joint_angles(human):
    """A sine of amplitude a and angular frequency w has a third derivative of RMS a w^3 / sqrt 2."""
    time = np.arange(0.0, 2.0, 0.001)
    q = np.zeros((len(time), human.n_dofs))
    q[:, human.dof_names.index("TibiaL")] = 0.3 * np.sin(4.0 * np.pi * time)
    wanted = 0.3 * (4.0 * np.pi) ** 3 / np.sqrt(2.0) / np.sqrt(50)  # one of 50 joint coordinates moves
    assert jerk(human, q, 0.001) == pytest.approx(wanted, rel=1e-3)
    assert np.isnan(jerk(human, q[:3], 0.001))


def test_the_fast_share_is_what_lies_above_six_hertz():
    time = np.arange(0.0, 10.0, 1.0 / 30.0)[:, None]
    slow, fast = 3.0 * np.sin(2.0 * np.pi * 2.0 * time), np.sin(2.0 * np.pi * 9.0 * time)
    assert fast_share(slow, 1.0 / 30.0) == pytest.approx(0.0, abs=1e-4)
    assert fast_share(slow + fast, 1.0 / 30.0) == pytest.approx(0.1, abs=1e-3)


def test_muscles_are_named_by_how_they_fit_their_phases():
    fits = {
        "soleus_left": PhaseAgreement(0.3, 43.0, True, 80.0, 0.9),
        "soleus_right": PhaseAgreement(0.3, 43.0, True, 80.0, 0.6),
        "rectus_femoris_left": PhaseAgreement(0.3, 10.0, False, 5.0, 0.2),
        "vasti_left": PhaseAgreement(0.04, 10.0, True, 90.0, 0.9),
    }
    lines = verdicts({name: {**vars(fit), "verdict": fit.verdict} for name, fit in fits.items()})
    assert lines == [
        "Agree: left soleus (peak at 43 %, published 7 to 52 %, agreement 0.90).",
        "Agree in part: right soleus (peak at 43 %, published 7 to 52 %, agreement 0.60).",
        "Disagree: left rectus femoris (peak at 10 %, published 56 to 64 %, agreement 0.20).",
        "Hardly act: left vasti (peak at 10 %, published 85 to 18 %, agreement 0.90).",
    ]


def test_a_page_about_a_walk_shows_cycles_phases_and_all_groups(human, tmp_path):
    save_animation(tmp_path / "film.gif", frames(("red", "blue")), 0.1)
    write_page(tmp_path / "page.html", walked(human, 4.0), "A & B", tmp_path / "film.gif")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    page = Page(text)
    for title in (
        "Hip flexion [°]",
        "Shoulder flexion [°]",
        "Ankle plantarflexion torque [N m/kg]",
        "Vertical ground reaction [body weight]",
        "Hamstrings",
        "Tibialis anterior",
    ):
        assert title in page.titles
    assert {"Activation, left side", "Activation, right side", "Absolute power [W]"} <= set(page.titles)
    for words in (
        "A &amp; B",
        "gait cycle from heel strike",
        "published phase",
        "erector spinae",
        "hamstrings",
        "Disagree:",
        "heel strikes",
        "variance of actions above 6 Hz",
    ):
        assert words in text
    assert all(link.startswith(("data:", "#")) for link in page.links)


def test_a_page_about_a_short_or_still_episode_is_over_time(human, tmp_path):
    save_animation(tmp_path / "film.webp", frames(("red", "blue")), 0.1)
    for name, recording in (("short", walked(human, 0.5)), ("one", walked(human, 0.034, muscles=False))):
        write_page(tmp_path / f"{name}.html", recording, name, tmp_path / "film.webp")
        text = (tmp_path / f"{name}.html").read_text(encoding="utf-8")
        assert "time [s]" in text
        assert "gait cycle from heel strike" not in text


def test_gymnasium_records_a_video(tmp_path):
    env = gymnasium.make("MuscleHumanoid-v0", actuation="torque", render_mode="rgb_array")
    video = RecordVideo(
        env, str(tmp_path / "videos"), episode_trigger=lambda episode: True, disable_logger=True
    )
    video.reset(seed=0)
    for _ in range(3):
        video.step(np.zeros(env.action_space.shape or (), np.float32))
    video.close()
    (file,) = tmp_path.glob("videos/*.mp4")
    rate, pictures = read_video(file)
    assert rate == pytest.approx(30.0)
    assert pictures.shape == (4, 480, 640, 3)  # the start, and the end of each step


@pytest.mark.parametrize("mode", ["sync", "vector_entry_point"])
def test_a_vector_of_environments_gives_a_picture_of_each(mode):
    if mode == "vector_entry_point" and gymnasium.spec("MuscleHumanoid-v0").vector_entry_point is None:
        pytest.skip("needs the vector environment")
    envs = gymnasium.make_vec(
        "MuscleHumanoid-v0", 2, vectorization_mode=mode, actuation="torque", render_mode="rgb_array"
    )
    envs.reset(seed=0)
    pictures = envs.render()
    envs.close()
    assert isinstance(pictures, tuple)
    first, second = map(np.asarray, pictures)
    assert first.shape == second.shape == (480, 640, 3)
    assert not np.array_equal(first, second)


def test_ghost_slope_and_push_change_what_is_seen(tmp_path):
    def filmed(**given) -> np.ndarray:
        out = tmp_path / "film.mp4"
        replay(ReplayConfig("zero", out=out, page=False, width=160, environment=TORQUE, **given))
        return read_video(out)[1].astype(int)

    def differing(first: np.ndarray, second: np.ndarray) -> float:
        """Share of the last picture's pixels that differ."""
        return float((np.abs(first[-1] - second[-1]).max(axis=-1) > 15).mean())

    plain = filmed(seconds=0.4)
    assert differing(filmed(seconds=0.4, slope=0.2), plain) > 0.05
    assert 0.0005 < differing(filmed(seconds=0.4, ghost=True), plain) < 0.2
    assert 0.0005 < differing(filmed(seconds=0.4, push=60.0, push_every=0.2), plain) < 0.2
