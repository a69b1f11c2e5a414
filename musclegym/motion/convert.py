"""`musclegym data convert`: motion files of any kind to BVH, on their own skeleton or on a body.

Files are converted by several processes, each written whole or not at all. A journal in the folder,
conversion.jsonl, has a line for each: what it was made from and what came out. Run again, the command makes
only what is missing or was made from other bytes or settings.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import tyro
from filelock import FileLock
from tqdm import tqdm

import musclegym
from musclegym.body import Body, load_body
from musclegym.manifest import core_count, plain, write_whole
from musclegym.motion.bvh_writer import write_bvh
from musclegym.motion.load import load_clip
from musclegym.motion.low_pass import low_pass
from musclegym.motion.name_maps import read_map
from musclegym.motion.parallel import in_processes
from musclegym.motion.quality import measure
from musclegym.motion.retarget import retarget
from musclegym.motion.sources import find_sources

JOURNAL, LOCK, SCRATCH = "conversion.jsonl", "conversion.lock", ".conversion"


@dataclass(frozen=True)
class ConvertConfig:
    """Write motion files as BVH: convert SOURCE... FOLDER.

    A file PATH in a source SOURCE becomes FOLDER/SOURCE/PATH.bvh. What is there already, made from the same
    bytes with the same settings, is left alone, so a conversion that was stopped goes on.
    """

    paths: tyro.conf.Positional[tuple[Path, ...]]
    """Motion files (BVH, AMC beside its ASF, DeepMimic), folders of them or names of embedded motions, and at
    last the folder to write to."""
    body: str | None = None
    """Name or file of a body to retarget to; by default the skeleton stays the source's."""
    fps: float | None = None
    """Frame rate to write [1/s]; by default the source's."""
    low_pass: float | None = None
    """Cut-off of a Butterworth low-pass filter without delay, usually 6 to 10 [Hz]; by default none."""
    mapping: Path | None = None
    """TOML file that maps bodies to the joints of skeletons of no known family."""
    unit: float = 0.01
    """Metres per unit of length in the files written; centimetres by default."""
    processes: int = core_count()
    """Processes that convert."""
    json: Path | None = None
    """File to write the report to."""

    def __post_init__(self) -> None:
        """Check what the conversion itself would find out only file by file."""
        if len(self.paths) < 2 or self.paths[-1].is_file():
            raise ValueError(
                f"name at least one motion and then the folder to write to, but given are "
                f"{', '.join(map(str, self.paths)) or 'none'}; try: walk converted"
            )
        if self.processes < 1 or not self.unit > 0.0 or (self.fps is not None and not self.fps > 0.0):
            raise ValueError(
                f"processes, unit and fps must be positive, but are {self.processes}, {self.unit} and "
                f"{self.fps}; correct them"
            )
        if self.mapping is not None and self.body is None:
            raise ValueError(
                f"a mapping says how to retarget, but no body is named to retarget to; add --body human to "
                f"--mapping {self.mapping}, or leave it out"
            )

    @property
    def sources(self) -> tuple[Path, ...]:
        """What to convert."""
        return self.paths[:-1]

    @property
    def out(self) -> Path:
        """Where to write."""
        return self.paths[-1]


@dataclass(frozen=True)
class Task:
    """One file to convert."""

    source: Path
    """The motion file."""
    output: str
    """Path of the BVH file in the folder of the conversion."""
    key: str
    """Hash of the source's bytes and the settings."""


def convert(config: ConvertConfig) -> dict[str, Any]:
    """Convert motion files.

    Returns:
        A report: the folder, the number of files `made` and `kept`, `files`, a record of each output, and
        `refused`, why the others could not be converted.

    Raises:
        FileNotFoundError: if a source or the mapping is missing.
        ValueError: if two sources would become one file, or the folder lies inside a source.
    """
    body = None if config.body is None else load_body(config.body)
    sources = find_sources(config.sources)
    check_apart(config)
    settings = settings_of(config, body)
    tasks = [Task(path, output, key(path, settings)) for output, path in outputs(sources).items()]
    config.out.mkdir(parents=True, exist_ok=True)
    with FileLock(config.out / LOCK):
        return run(config, body, tasks)


def run(config: ConvertConfig, body: Body | None, tasks: list[Task]) -> dict[str, Any]:
    """Convert what is missing, by the one process that holds the folder's lock."""
    shutil.rmtree(config.out / SCRATCH, ignore_errors=True)
    records = read_journal(config.out / JOURNAL)
    kept = {task.output for task in tasks if is_there(config.out, task, records)}
    missing = [task for task in tasks if task.output not in kept]
    refused = []
    work = partial(convert_or_refuse, config=config, body=body)
    with (config.out / JOURNAL).open("a", encoding="utf-8") as journal:
        outcomes = in_processes(work, missing, min(config.processes, len(missing)))
        for task, outcome in tqdm(outcomes, total=len(missing), unit="file", disable=len(missing) < 2):
            if isinstance(outcome, str):
                refused.append(outcome)
                continue
            records[task.output] = outcome
            journal.write(json.dumps(outcome) + "\n")
            journal.flush()
    write_whole(config.out / JOURNAL, journal_text(records))
    shutil.rmtree(config.out / SCRATCH, ignore_errors=True)
    return {
        "out": config.out,
        "made": len(missing) - len(refused),
        "kept": len(kept),
        "files": [records[task.output] for task in tasks if task.output in records],
        "refused": sorted(refused),
    }


def check_apart(config: ConvertConfig) -> None:
    """Refuse to write into a folder that is read.

    Raises:
        ValueError: if it is one of the sources or lies in one.
    """
    out = config.out.resolve()
    for source in config.sources:
        if source.is_dir() and out.is_relative_to(source.resolve()):
            raise ValueError(
                f"what is written must not be read again, but {config.out} lies in {source}; name a folder "
                f"outside, e.g. {source.resolve().with_name(source.resolve().name + '-bvh')}"
            )


def outputs(sources: Mapping[str, Path]) -> dict[str, Path]:
    """Return path of the BVH file in the folder of the conversion -> source.

    Raises:
        ValueError: if two sources differ in their suffix only.
    """
    out: dict[str, Path] = {}
    for name, path in sources.items():
        output = PurePosixPath(name).with_suffix(".bvh").as_posix()
        if output in out:
            raise ValueError(
                f"each source becomes a BVH file of its name, but {out[output]} and {path} would both become "
                f"{output}; convert them into two folders"
            )
        out[output] = path
    return out


def settings_of(config: ConvertConfig, body: Body | None) -> dict[str, Any]:
    """Return what an output depends on besides its source."""
    if config.mapping is not None:
        read_map(config.mapping)  # a wrong one is refused before any file is touched
    return {
        "musclegym": musclegym.__version__,
        "body": None if body is None else body.hash,
        "fps": config.fps,
        "low_pass": config.low_pass,
        "mapping": None if config.mapping is None else config.mapping.read_text(encoding="utf-8"),
        "unit": config.unit,
    }


def key(source: Path, settings: Mapping[str, Any]) -> str:
    """Return the hash of a source's bytes, of the skeletons beside an AMC file, and of the settings."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    skeletons = sorted(source.parent.glob("*.[aA][sS][fF]")) if source.suffix.lower() == ".amc" else []
    for file in (source, *skeletons):
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def read_journal(path: Path) -> dict[str, dict[str, Any]]:
    """Return output -> its record; lines that a kill cut short do not count."""
    records: dict[str, dict[str, Any]] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and "output" in record:
            records[str(record["output"])] = record
    return records


def journal_text(records: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Return the lines of a journal, sorted by output."""
    return "".join(json.dumps(records[output]) + "\n" for output in sorted(records)).encode()


def is_there(folder: Path, task: Task, records: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether an output was made by this very conversion and is unchanged."""
    record, path = records.get(task.output, {}), folder / task.output
    return record.get("key") == task.key and path.is_file() and sha256(path) == record.get("sha256")


def convert_or_refuse(task: Task, config: ConvertConfig, body: Body | None) -> dict[str, Any] | str:
    """Convert one file; return its record, or why it cannot be converted."""
    try:
        return convert_file(task, config, body)
    except (ValueError, OSError) as error:
        return str(error)


def convert_file(task: Task, config: ConvertConfig, body: Body | None) -> dict[str, Any]:
    """Convert one file and return its record: what was made of what, and how well the body follows."""
    clip = load_clip(task.source)
    clip = clip if config.low_pass is None else low_pass(clip, config.low_pass)
    fps = clip.fps if config.fps is None else config.fps
    figures: dict[str, float] = {}
    if body is None:
        made = replace(clip, cyclic=False).resample(fps)
        frames = len(made.root)
    else:
        made = retarget(clip, body, fps, mapping=config.mapping, cyclic=False, keep_place=True)
        figures = asdict(measure(clip, made, config.mapping))
        frames = len(made.q)
    output = config.out / task.output
    scratch = config.out / SCRATCH / f"{task.key}.bvh"
    for folder in (output.parent, scratch.parent):
        folder.mkdir(parents=True, exist_ok=True)
    write_bvh(scratch, made, unit=config.unit)
    record = {
        "output": task.output,
        "source": task.source.name,
        "key": task.key,
        "sha256": sha256(scratch),
        "frames": frames,
        "fps": fps,
        **figures,
    }
    scratch.replace(output)
    return plain(record)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def summary(report: Mapping[str, Any]) -> str:
    """Return a report as lines."""
    lines = [f"refused: {reason}" for reason in report["refused"]]
    counts = f"{report['made']} files converted, {report['kept']} already there"
    return "\n".join([*lines, f"{counts}, {len(report['refused'])} refused; in {report['out']}"])
