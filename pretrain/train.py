"""`musclegym pretrain`: train a motion prior and measure its rollouts.

`musclegym pretrain evaluate` measures trained priors against each other, baselines and the bars.
"""

import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro

from musclegym.body import Body
from musclegym.manifest import start_run, write_json
from musclegym.pretrain.checkpoint import load_prior, save_prior
from musclegym.pretrain.corpus import Corpus, check_data, open_corpus
from musclegym.pretrain.dct import MotionDCT
from musclegym.pretrain.kinds import KINDS
from musclegym.pretrain.losses import NextStateObjective
from musclegym.pretrain.next_state import MotionModel, NextStateModel, statistics_of
from musclegym.pretrain.pretrain_config import PretrainConfig
from musclegym.pretrain.processes import Team, chosen_device, is_member, start, team
from musclegym.pretrain.rollout import rollout_stability, stability_table
from musclegym.pretrain.trainer import Trainer
from musclegym.pretrain.validation import RolloutScore
from musclegym.settings import read_settings


def pretrain(config: PretrainConfig) -> dict[str, Any]:
    """Train a prior and measure its rollouts.

    Returns:
        What the manifest holds: data, scores (`training` and, where clips were held out, `held_out`), seed
        and steps. Of several processes only the first one measures and saves; the others return nothing.

    Raises:
        KeyboardInterrupt: after Ctrl-C; the run folder can be resumed, and holds the prior so far.
        FileExistsError: if a new run's folder holds weights of another one.
        ValueError: if a resumed run finds other data.
    """
    config = settings_of(config)
    with team(chosen_device(config.trainer.device)) as members:
        if config.processes not in (1, members.size):
            raise ValueError(
                f"processes={config.processes} are started by the command musclegym pretrain, or as many by "
                f"torchrun, but this is one of {members.size}; use the command, or processes=1"
            )
        if members.leads:
            start_run(config.run, config, config.trainer.seed, goes_on=config.resume is not None)
        corpus = opened_in_turn(config, members)
        if config.resume is not None:
            check_data(config.run, corpus)
        if members.leads:
            write_json(config.run / "data.json", corpus.record)
        prior, record = learned(config, corpus, members)
        return finished(prior, record, corpus, config) if members.leads else {}


def learned(config: PretrainConfig, corpus: Corpus, members: Team) -> tuple[MotionModel, dict[str, Any]]:
    """Return a trained model, and what its record says about the training."""
    if config.model.kind == "dct":
        windows, begin = corpus.windows(config), time.monotonic()
        linear = MotionDCT(windows.layout, config.model.sizes(), windows.fps)
        linear.set_statistics(statistics_of(windows.layout, windows.clips(), windows.fps))
        linear.fit(windows.clips())
        return linear, {"steps": 1, "seconds": time.monotonic() - begin, "curve": []}
    trainer = trainer_of(config, corpus, members)
    if config.resume is not None:
        trainer.resume()
    try:
        trainer.fit()
    except KeyboardInterrupt:
        if members.leads:
            save(*so_far(trainer), corpus, config)
        raise
    prior, record = so_far(trainer)
    return prior, record | {"curve": trainer.curve}


def so_far(trainer: Trainer) -> tuple[NextStateModel, dict[str, Any]]:
    """Return the prior that a training has come to, and what its record says about that."""
    prior = trainer.averaged_model.cpu()
    assert isinstance(prior, NextStateModel)
    record = {"steps": trainer.step, "seconds": trainer.seconds, "final_loss": trainer.recent_losses()}
    return prior, record


def opened_in_turn(config: PretrainConfig, members: Team) -> Corpus:
    """Return the corpus, which the first process has built when the others open it."""
    if not members.leads:
        members.wait()
        return open_corpus(config)
    corpus = open_corpus(config)
    members.wait()
    return corpus


def settings_of(config: PretrainConfig) -> PretrainConfig:
    """Return the settings of the run to be resumed, or else `config`."""
    if config.resume is None:
        return config
    return read_settings(PretrainConfig, config.resume, "musclegym pretrain")


def trainer_of(config: PretrainConfig, corpus: Corpus, members: Team | None = None) -> Trainer:
    """Return the trainer of a run, at its first step.

    Raises:
        ValueError: if settings contradict each other, the motion, or the prior to begin with.
    """
    windows = corpus.windows(config)
    torch.manual_seed(config.trainer.seed)
    model = KINDS[config.model.kind][0](windows.layout, config.model.sizes(), windows.fps)
    assert isinstance(model, NextStateModel)
    if config.init is None:
        model.set_statistics(statistics_of(windows.layout, windows.clips(), windows.fps))
    else:
        begin_with(model, config.init, corpus.library.body)
    validation = None
    if config.trainer.validate_every and "validation" in corpus.kept:
        kept = corpus.drawn(config, corpus.kept["validation"])
        validation = RolloutScore(kept, config.objective.unroll.longest)
    objective = NextStateObjective(windows, config.objective)
    windows.device = chosen_device(config.trainer.device)
    return Trainer(
        model,
        objective,
        dataclasses.asdict(config.weights),
        config.trainer,
        config.run,
        validation=validation,
        team=members,
    )


def begin_with(model: NextStateModel, path: Path, body: Body) -> None:
    """Give a model the weights and the normalisation of a trained one.

    Raises:
        ValueError: if that one has another size or rate.
    """
    prior = load_prior("shipped" if str(path) == "shipped" else path, body)
    for name, ours, theirs in [
        ("kind", model.kind, prior.kind),
        ("size", model.config, prior.config),
        ("frames per second", model.fps, prior.fps),
    ]:
        if ours != theirs:
            raise ValueError(
                f"a model begins with weights of its own {name}, but {path} has {theirs} and the model "
                f"{ours}; give the options that make them equal, or leave --init out"
            )
    model.load_state_dict(prior.state_dict())


def finished(
    prior: MotionModel, record: dict[str, Any], corpus: Corpus, config: PretrainConfig
) -> dict[str, Any]:
    """Measure and save a prior, and return its manifest's record; the curve goes to the result alone."""
    prior.eval()
    curve = record.pop("curve")
    record["scores"] = measure(prior, corpus, config)
    record = save(prior, record, corpus, config)
    for path in filter(None, (config.run / "result.json", config.json)):
        write_json(path, record | {"curve": curve})
    return record


def save(
    prior: MotionModel, record: dict[str, Any], corpus: Corpus, config: PretrainConfig
) -> dict[str, Any]:
    """Write a prior into the run's folder, and return its manifest's record."""
    record = {"data": corpus.record, "seed": config.trainer.seed, **record}
    save_prior(config.run / "prior.safetensors", prior, corpus.library.body, record, half=config.half)
    return record


def measure(prior: MotionModel, corpus: Corpus, config: PretrainConfig) -> dict[str, Any]:
    """Return the stability of rollouts that begin in the training clips and in those kept from training.

    Of more clips than there are rollouts, as many are taken, evenly through the library.
    """
    scores = {}
    for name, clips in {"training": corpus.training, **corpus.kept}.items():
        records = [corpus.library.clips[clip] for clip in clips]
        usable = np.array([r.cyclic or r.frames > prior.window for r in records], dtype=np.bool_)
        long = clips[usable]
        chosen = long[np.linspace(0, len(long) - 1, min(len(long), config.starts)).round().astype(np.int64)]
        motions = [corpus.library.motion(clip) for clip in chosen]
        if motions:
            body, seed = corpus.library.body, config.trainer.seed
            scores[name] = rollout_stability(
                {"prior": prior}, motions, body, n_starts=config.starts, seed=seed
            )
    return scores


def main(args: list[str]) -> None:
    """Train with settings from the command line and print how rollouts fare, or measure priors.

    `evaluate` as the first word is `musclegym pretrain evaluate`.
    """
    if args[:1] == ["evaluate"]:
        from musclegym.pretrain import evaluate

        evaluate.main(args[1:])
        return
    config = tyro.cli(PretrainConfig, args=args, prog="musclegym pretrain", description=__doc__)
    processes = settings_of(config).processes
    if processes > 1 and not is_member():
        start(processes, ["pretrain", *args])
        return
    record = pretrain(config)
    if not record:
        return
    for name, result in record["scores"].items():
        print(f"\n{name.replace('_', ' ')}: {stability_table(result)}")
    print(f"\nsaved {config.resume or config.run}/prior.safetensors after {record['steps']} steps")
