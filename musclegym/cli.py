"""The command `musclegym`: a table of commands, each a module that is imported only when it is called.

A command's module has `main(args: list[str]) -> None`, which reads its settings from a dataclass by tyro. It
raises ValueError or OSError (such as FileNotFoundError) for what a user can put right; that becomes one line
and exit code 2.
"""

import sys
from difflib import get_close_matches
from importlib import import_module

import musclegym

COMMANDS = {  # name -> (module, help)
    "quickstart": (
        "musclegym.policies.quickstart",
        "motions, prior, muscles and policy in ten minutes, with a report",
    ),
    "data": ("musclegym.motion.data", "inspect, draw and convert motion files, and build libraries of them"),
    "pretrain": ("musclegym.pretrain.train", "train a motion prior; pretrain evaluate measures priors"),
    "train-muscle": ("musclegym.policies.muscle_training", "train the network that finds muscle activations"),
    "train": ("musclegym.policies.ppo", "train a policy by PPO"),
    "evaluate": ("musclegym.policies.evaluate", "measure a policy"),
    "policies": ("musclegym.policies.shipped", "list the policies that come with the package"),
    "replay": ("musclegym.policies.replay", "film a policy"),
    "bench": ("musclegym.policies.bench", "measure speed and stability"),
    "info": ("musclegym.info", "show versions, machine, body, weights and motions"),
}


def main(args: list[str] | None = None) -> None:
    """Run one command.

    Args:
        args: words after `musclegym`; by default those of the process.

    Raises:
        SystemExit: with code 2 after a mistake of the user, 130 after Ctrl-C.
    """
    words = sys.argv[1:] if args is None else args
    if not words or words[0] in ("-h", "--help"):
        print(help_text())
    elif words[0] == "--version":
        print(f"musclegym {musclegym.__version__}")
    elif words[0] in COMMANDS:
        run(words[0], words[1:])
    else:
        stop(unknown_command(words[0]), code=2)


def run(command: str, args: list[str]) -> None:
    """Call a command, and end with one line where the user made a mistake or pressed Ctrl-C."""
    module, _ = COMMANDS[command]
    try:
        import_module(module).main(args)
    except (ValueError, OSError) as error:
        stop(f"error: {error}", code=2)
    except KeyboardInterrupt as interrupt:
        stop(str(interrupt) or "interrupted", code=130)


def stop(message: str, code: int) -> None:
    """Print a line on the error stream and end the process."""
    print(f"musclegym: {message}", file=sys.stderr)
    raise SystemExit(code)


def unknown_command(word: str) -> str:
    """Say that there is no such command, which one may be meant, and which there are."""
    nearest = get_close_matches(word, COMMANDS, n=1)
    hint = f"; did you mean {nearest[0]}?" if nearest else "."
    return f"error: there is no command {word!r}{hint} Commands: {', '.join(COMMANDS)}"


def help_text() -> str:
    """Usage and the table of commands."""
    width = max(len(name) for name in COMMANDS)
    table = "\n".join(f"  {name:<{width}}  {text}" for name, (_, text) in COMMANDS.items())
    return (
        "usage: musclegym COMMAND [options]\n\n"
        "A muscle-driven humanoid for Gymnasium.\n\n"
        f"commands:\n{table}\n\n"
        "musclegym COMMAND --help shows a command's options; musclegym --version the version."
    )
