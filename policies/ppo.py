"""`musclegym train`: train a policy by PPO (Schulman et al. 2017) of stable-baselines3."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import tyro
from stable_baselines3 import PPO
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import VecEnv
from torch.optim import Optimizer
from tqdm import tqdm

from musclegym.manifest import start_run, write_json
from musclegym.policies.callbacks import TrainingCallback
from musclegym.policies.environment import EnvironmentConfig, made_for, make_environment, make_workers
from musclegym.policies.prior_policy import SimulationNNWithPrior, load_encoder
from musclegym.policies.training_run import TrainingRun
from musclegym.pretrain.next_state import NextStateModel
from musclegym.pretrain.trainer import interruption
from musclegym.settings import read_settings

DEFAULT_STEPS = 1_000_000
WARM_UP_STEPS = 512  # control steps that give the first statistics of the observations


@dataclass(frozen=True)
class PPOConfig:
    """Settings of PPO, found in short runs on tracking the walk."""

    learning_rate: float = 1e-4
    """Learning rate of Adam."""

    exploration: float = 0.18
    """Standard deviation of the actions at the beginning; 1 is `action_range`, so 0.09 rad by default [-]."""

    discount: float = 0.95
    """Weight of a reward one control step later."""

    gae_lambda: float = 0.95
    """Decay of generalised advantage estimation."""

    samples: int = 2048
    """Control steps per update, over all environments."""

    minibatch: int = 128
    """Control steps per gradient step."""

    epochs: int = 5
    """Passes over the samples of an update."""

    clip: float = 0.2
    """Range in which the ratio of new to old probability is rewarded."""

    target_kl: float = 0.3
    """Change of the policy, summed over all actions, at 1.5 times which an update is cut short [nat]."""

    hidden: tuple[int, ...] = (256, 256)
    """Width of each hidden layer of the policy head and of the value head."""


@dataclass(frozen=True)
class TrainConfig:
    """Settings of `musclegym train`."""

    run: Path = Path("runs/train")
    """Folder that receives settings, logs, checkpoints and the policy."""

    resume: Path | None = None
    """Run folder to go on with; its settings are kept, and of those here only --steps and --minutes count."""

    steps: int | None = None
    """Control steps of the whole run, in whole updates; 1,000,000 where no budget is given."""

    minutes: float | None = None
    """Training time of the whole run, over all resumptions [min]."""

    environment: Annotated[EnvironmentConfig, tyro.conf.OmitArgPrefixes] = field(
        default_factory=EnvironmentConfig
    )
    """What is trained in."""

    prior: str = "none"
    """Encoder in the policy: "none", "random", "shipped", or the file or run folder of a trained prior."""

    finetune: bool = False
    """Whether the encoder learns with the policy instead of staying frozen."""

    seed: int = 0
    """Seed of weights, noise and start states."""

    workers: int = 2
    """Processes that gather experience; one alone is the learner's own."""

    members: int = 8
    """Environments per process, which step in lockstep."""

    threads: int = 1
    """Threads of the learner."""

    checkpoint_minutes: float = 3.0
    """Time between checkpoints [min]."""

    ppo: Annotated[PPOConfig, tyro.conf.OmitArgPrefixes] = field(default_factory=PPOConfig)
    """How the policy learns."""

    def __post_init__(self) -> None:
        """Check the budget and that samples divide among workers and minibatches."""
        if (self.steps is not None and self.steps < 1) or (self.minutes is not None and not self.minutes > 0):
            raise ValueError(
                f"steps and minutes must be positive, but they are {self.steps} and {self.minutes}; use e.g. "
                "--minutes 30"
            )
        if min(self.workers, self.members) < 1 or self.ppo.samples % (self.workers * self.members):
            raise ValueError(
                f"samples must be a multiple of workers times members, but they are {self.ppo.samples}, "
                f"{self.workers} and {self.members}; use e.g. 2048, 2 and 8"
            )
        if self.ppo.samples % self.ppo.minibatch:
            raise ValueError(
                f"samples must be a multiple of minibatch, but they are {self.ppo.samples} and "
                f"{self.ppo.minibatch}; use e.g. 2048 and 128"
            )


class TwoRatePPO(PPO):
    """PPO that gives each group of parameters its own multiple, "factor", of the learning rate."""

    def _update_learning_rate(self, optimizers: Optimizer | list[Optimizer]) -> None:
        super()._update_learning_rate(optimizers)
        for optimizer in optimizers if isinstance(optimizers, list) else [optimizers]:
            for group in optimizer.param_groups:
                group["lr"] *= group["factor"]


def train(config: TrainConfig) -> dict[str, Any]:
    """Train a policy, or go on with a run.

    Returns:
        What RUN/result.json holds: steps, seconds, seed and the learning curve.

    Raises:
        KeyboardInterrupt: after Ctrl-C; the run folder can be resumed.
        FileNotFoundError: if the prior or the run to resume is missing.
        ValueError: if a setting is wrong or does not fit the others.
    """
    config = resumed(config) if config.resume is not None else config
    torch.set_num_threads(config.threads)
    encoder, fits, options = prepare(config)
    folder = start_run(config.run, config, config.seed)
    workers = make_workers(options, config.workers, config.members, config.ppo.discount)
    try:
        learner = make_learner(config, workers, encoder)
        record = {"environment_options": options, "prior": config.prior, "seed": config.seed}
        run = TrainingRun(learner, folder, fits, record)
        if config.resume is not None:
            run.resume()
            workers.seed(config.seed + run.steps)
        learn(run, config)
    finally:
        workers.close()
    result = {"steps": run.steps, "seconds": run.seconds, "seed": config.seed, "curve": run.curve}
    write_json(folder / "result.json", result)
    return result


def prepare(config: TrainConfig) -> tuple[NextStateModel | None, dict[str, Any], dict[str, Any]]:
    """Return the encoder, what a policy must agree with, and the options of the environment."""
    options = config.environment.options()
    environment = make_environment(options)
    bare: Any = environment.unwrapped
    encoder = load_encoder(config.prior, bare.body, bare.motion, config.seed)
    if encoder is not None:
        check_rate(encoder, bare.metadata["render_fps"])
        options["history"] = encoder.window
        environment.close()
        environment = make_environment(options)
    fits = made_for(environment)
    environment.close()
    return encoder, fits, options


def check_rate(encoder: NextStateModel, control_hz: float) -> None:
    """Refuse an encoder of another frame rate than the control rate."""
    if encoder.fps != control_hz:
        raise ValueError(
            f"the prior's frame rate must be the control rate, but they are {encoder.fps} and {control_hz}; "
            f"pretrain one with --fps {control_hz}"
        )


def make_learner(config: TrainConfig, workers: VecEnv, encoder: NextStateModel | None) -> PPO:
    """Build PPO with a policy that has not learned anything."""
    ppo = config.ppo
    return TwoRatePPO(
        SimulationNNWithPrior,
        workers,
        learning_rate=ppo.learning_rate,
        n_steps=ppo.samples // workers.num_envs,
        batch_size=ppo.minibatch,
        n_epochs=ppo.epochs,
        gamma=ppo.discount,
        gae_lambda=ppo.gae_lambda,
        clip_range=ppo.clip,
        target_kl=ppo.target_kl,
        policy_kwargs={
            "encoder": encoder,
            "finetune": config.finetune,
            "hidden": ppo.hidden,
            "exploration": ppo.exploration,
        },
        seed=config.seed,
        device="cpu",
    )


def learn(run: TrainingRun, config: TrainConfig) -> None:
    """Train until the budget is spent, and save.

    Raises:
        KeyboardInterrupt: after Ctrl-C, once the run is saved.
    """
    steps = config.steps or (DEFAULT_STEPS if config.minutes is None else None)
    run.learner.set_logger(configure(str(run.folder), ["tensorboard"]))
    with interruption() as stop, progress_bar(run, steps, config.minutes) as bar:
        if run.steps == 0:
            warm_up(run)
        callback = TrainingCallback(
            run,
            seconds=None if config.minutes is None else 60.0 * config.minutes,
            checkpoint_seconds=60.0 * config.checkpoint_minutes,
            stop=stop,
            bar=bar,
        )
        # With reset_num_timesteps=False the library adds the steps taken before to the total.
        left = (steps - run.steps) if steps is not None else np.iinfo(np.int64).max // 2
        run.learner.learn(left, callback, reset_num_timesteps=False)
    run.save()
    run.learner.logger.close()
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


def resumed(config: TrainConfig) -> TrainConfig:
    """Return the settings of the run to resume, with this call's budget where it has one.

    Raises:
        FileNotFoundError: if the folder has no settings.
    """
    assert config.resume is not None
    kept = read_settings(TrainConfig, config.resume, "musclegym train")
    if config.steps is None and config.minutes is None:
        return kept
    return replace(kept, steps=config.steps, minutes=config.minutes)


def main(args: list[str]) -> None:
    """Run `train` with settings from the command line and print where the policy is."""
    config = tyro.cli(TrainConfig, args=args, prog="musclegym train", description=__doc__)
    result = train(config)
    folder = config.resume or config.run
    print(f"trained {result['steps']} steps in {result['seconds'] / 60.0:.1f} min; policy in {folder}")
    print(f"next: musclegym evaluate {folder}; musclegym replay {folder}; tensorboard --logdir {folder}")
