"""`musclegym train`: train a policy by PPO (Schulman et al. 2017) on the samples of stable-baselines3."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3.common.logger import configure
from tqdm import tqdm

from musclegym.manifest import start_run, write_json
from musclegym.policies.callbacks import TrainingCallback
from musclegym.policies.environment import made_for, make_environment, make_workers
from musclegym.policies.evaluation import Evaluator
from musclegym.policies.learner import Learner
from musclegym.policies.muscle_refinement import Refinement
from musclegym.policies.policy_file import load_policy, network_record, set_weights, weights_of
from musclegym.policies.prior_policy import SimulationNNWithPrior, load_encoder
from musclegym.policies.schedule import Aid, make_aids
from musclegym.policies.train_config import (
    DEFAULT_STEPS,
    QUIET,
    PPOConfig,
    TrainConfig,
    from_arguments,
    resumed,
)
from musclegym.policies.training_run import TrainingRun
from musclegym.pretrain.next_state import NextStateModel
from musclegym.pretrain.trainer import interruption
from musclegym.rotation import Array

WARM_UP_STEPS = 512  # control steps that give the first statistics of the observations


@dataclass(frozen=True)
class Prepared:
    """What is known of a run before its workers start."""

    encoder: NextStateModel | None
    """Prior in the policy."""
    fits: dict[str, Any]
    """What a policy must agree with."""
    options: dict[str, Any]
    """Keywords of `gymnasium.make`."""
    exploration: Array
    """Standard deviation of each action at the beginning, shape (action,) [-]."""
    limit: int | None
    """Control steps of a full episode."""
    aids: dict[str, Aid]
    """What helps while it learns."""
    refinement: Refinement | None
    """Of MuscleNN."""
    first: SimulationNNWithPrior | None
    """Policy to begin with."""


def train(config: TrainConfig) -> dict[str, Any]:
    """Train a policy, or go on with a run.

    Returns:
        What RUN/result.json holds: steps, seconds, seed and the learning curve.

    Raises:
        KeyboardInterrupt: after Ctrl-C; the run folder can be resumed.
        FileNotFoundError: if the prior, the policy to begin with or the run to resume is missing.
        FileExistsError: if a new run's folder holds weights of another one.
        ValueError: if a setting is wrong or does not fit the others.
    """
    config = resumed(config) if config.resume is not None else config
    torch.set_num_threads(1)
    prepared = prepare(config)
    folder = start_run(config.run, config, config.seed, goes_on=config.resume is not None)
    workers = make_workers(prepared.options, config.workers, config.members, config.ppo.discount)
    try:
        learner = Learner(workers, config, prepared.encoder, prepared.exploration)
        run = begin(config, prepared, learner, folder)
        learn(run, config, prepared.options)
    finally:
        workers.close()
    result = {"steps": run.steps, "seconds": run.seconds, "seed": config.seed, "curve": run.curve}
    write_json(folder / "result.json", result)
    return result


def prepare(config: TrainConfig) -> Prepared:
    """Find out what a run needs from an environment like those that it trains in."""
    options = config.environment.options()
    environment = make_environment(options)
    bare: Any = environment.unwrapped
    encoder = load_encoder(config.prior, bare.body, bare.motion, config.seed, config.prior_frames)
    if encoder is not None:
        check_rate(encoder, bare.metadata["render_fps"])
        options["history"] = encoder.window
        environment.close()
        environment = make_environment(options)
    assert environment.spec is not None
    prepared = Prepared(
        encoder=encoder,
        fits=made_for(environment),
        options=options,
        exploration=exploration_of(config.ppo, environment),
        limit=environment.spec.max_episode_steps,
        aids=make_aids(config.aids, environment),
        refinement=make_refinement(config, environment),
        first=load_policy(config.init, environment) if config.init and not config.resume else None,
    )
    environment.close()
    return prepared


def exploration_of(config: PPOConfig, environment: gym.Env) -> Array:
    """Return the standard deviation of each action at the beginning, shape (action,) [-].

    Raises:
        ValueError: if the environment's body lacks one of `quiet_bodies`.
    """
    bare: Any = environment.unwrapped
    assert isinstance(environment.action_space, gym.spaces.Box)
    each = np.full(environment.action_space.shape, config.exploration)
    if config.quiet_exploration is None or bare.config.acts_on_muscles:
        return each
    bodies = [name.partition("_")[0].removesuffix("L").removesuffix("R") for name in bare.body.dof_names[6:]]
    missing = sorted(
        set(config.quiet_bodies) - set(bodies) - set(QUIET)
    )  # a plainer body may lack the default's
    if missing:
        raise ValueError(
            f"quiet_bodies must be bodies with joints, but {missing[0]!r} is none of {sorted(set(bodies))}; "
            "choose among these"
        )
    each[np.isin(bodies, config.quiet_bodies)] = config.quiet_exploration
    return each


def make_refinement(config: TrainConfig, environment: gym.Env) -> Refinement | None:
    """Return the refinement of MuscleNN that the settings ask for, if they do."""
    bare: Any = environment.unwrapped
    if config.refine_steps == 0:
        return None
    if bare.config.actuation != "muscle":
        raise ValueError(
            f"refine_steps refines MuscleNN, which acts under actuation 'muscle' only, but it is "
            f"{config.refine_steps} under {bare.config.actuation!r}; leave it out, or use --actuation muscle"
        )
    return Refinement(bare.body, bare.actuator.network)


def begin(config: TrainConfig, prepared: Prepared, learner: Learner, folder: Path) -> TrainingRun:
    """Return a new run, or a resumed one where it is."""
    run = TrainingRun(
        learner,
        folder,
        prepared.fits,
        {"environment_options": prepared.options, "prior": config.prior, "seed": config.seed},
        aids=prepared.aids,
        refinement=prepared.refinement,
        limit=prepared.limit,
    )
    if config.resume is not None:
        run.resume()
    elif prepared.first is not None:
        begin_with(learner, prepared.first)
    return run


def begin_with(learner: Learner, first: SimulationNNWithPrior) -> None:
    """Give a learner the weights of a policy, with the noise of the learner's own settings.

    Raises:
        ValueError: if the policies' networks differ.
    """
    given, own = network_record(first), network_record(learner.policy)
    if given != own:
        raise ValueError(
            f"a policy to begin with needs the network of this run, but it has {given} and the run {own}; "
            "give the same --hidden, --prior and --finetune as it was trained with"
        )
    set_weights(learner.policy, {**weights_of(first), "log_std": learner.policy.log_std.detach().clone()})


def check_rate(encoder: NextStateModel, control_hz: float) -> None:
    """Refuse an encoder of another frame rate than the control rate."""
    if encoder.fps != control_hz:
        raise ValueError(
            f"the prior's frame rate must be the control rate, but they are {encoder.fps} and {control_hz}; "
            f"pretrain one with --fps {control_hz}"
        )


def learn(run: TrainingRun, config: TrainConfig, options: dict[str, Any] | None = None) -> None:
    """Train until the budget is spent, and save.

    Args:
        run: what is trained.
        config: its settings.
        options: of the environment in which the policy is evaluated now and then; None for no evaluation.

    Raises:
        KeyboardInterrupt: after Ctrl-C, once the run is saved.
    """
    steps = config.steps or (DEFAULT_STEPS if config.minutes is None else None)
    evaluates = options is not None and config.evaluate_minutes > 0.0
    evaluator = Evaluator(options, config.evaluate_episodes) if options and evaluates else None
    run.learner.set_logger(configure(str(run.folder), ["tensorboard"]))
    with interruption() as stop, progress_bar(run, steps, config.minutes) as bar:
        if run.policy.features_extractor.normaliser.count == 0:
            warm_up(run)
        callback = TrainingCallback(run, config, stop=stop, bar=bar, evaluator=evaluator)
        # With reset_num_timesteps=False the library adds the steps taken before to the total.
        left = (steps - run.steps) if steps is not None else np.iinfo(np.int64).max // 2
        run.learner.learn(left, callback, reset_num_timesteps=False)
    run.save()
    run.learner.logger.close()
    if evaluator is not None:
        evaluator.close()
    if stop.is_set():
        raise KeyboardInterrupt(
            f"stopped after {run.steps} steps; go on with: musclegym train --resume {run.folder}"
        )


def warm_up(run: TrainingRun) -> None:
    """Measure first statistics of the observations under the untrained policy, which hardly acts on them."""
    workers, policy = run.learner.get_env(), run.policy
    assert workers is not None
    observation = workers.reset()
    seen = []
    for _ in range(WARM_UP_STEPS // workers.num_envs):
        assert isinstance(observation, np.ndarray)
        seen.append(torch.tensor(observation))  # a copy: the environment writes to its own anew
        action, _ = policy.predict(observation)
        observation, _, _, _ = workers.step(action)
    with torch.no_grad():
        encoded = policy.features_extractor.encoded(torch.cat(seen))
    policy.features_extractor.normaliser.update(encoded)


def progress_bar(run: TrainingRun, steps: int | None, minutes: float | None) -> tqdm:
    """Return a bar over the seconds of a time budget, or else over the steps."""
    if minutes is None:
        return tqdm(total=steps, initial=run.steps, desc="train", unit="step", mininterval=0.5)
    form = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s{postfix}"
    return tqdm(total=60.0 * minutes, initial=run.seconds, desc="train", bar_format=form, mininterval=0.5)


def main(args: list[str]) -> None:
    """Run `train` with settings from the command line and print where the policy is."""
    config = from_arguments(args, __doc__)
    result = train(config)
    folder = config.resume or config.run
    print(f"trained {result['steps']} steps in {result['seconds'] / 60.0:.1f} min; policy in {folder}")
    print(f"next: musclegym evaluate {folder}; musclegym replay {folder}; tensorboard --logdir {folder}")
