"""A small training, also as a program, for tests that need it in processes of their own."""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from musclegym.pretrain.draws import Draw
from musclegym.pretrain.processes import Team, team
from musclegym.pretrain.trainer import Trainer
from musclegym.pretrain.trainer_config import TrainerConfig

ALONE = Team()
ROWS, INPUTS, OUTPUTS = 16, 6, 3


class Block(nn.Module):
    """A hidden layer whose output is added to what comes in."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(16, 16)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return hidden rows (row, 16) after the layer."""
        return hidden + self.mix(torch.relu(hidden))


class Layered(nn.Module):
    """A network with an embedding, hidden layers in a list, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(INPUTS, 16)
        self.layers = [Block(), Block()]
        self.blocks = nn.ModuleList(self.layers)
        self.head = nn.Linear(16, OUTPUTS)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return outputs (row, OUTPUTS) of inputs (row, INPUTS)."""
        hidden = self.embed(inputs)
        for block in self.layers:
            hidden = block(hidden)
        return self.head(hidden)


class Remembering(nn.Module):
    """Fits products of inputs; what a row saw last is remembered and added to what it sees next."""

    memory: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("memory", torch.zeros(ROWS, INPUTS))

    def forward(self, model: nn.Module, draw: Draw) -> dict[str, Tensor]:
        """Return the loss terms of one part of a batch; every third step has one more."""
        rows = draw.rows(ROWS)
        inputs = torch.randn(ROWS, INPUTS, generator=draw.generator())[rows] + 0.5 * self.memory[rows]
        self.memory[rows] = inputs
        outputs = model(inputs)
        fit = ((outputs - inputs[:, :OUTPUTS] * inputs[:, OUTPUTS:]) ** 2).mean()
        return {"fit": fit} | ({"size": outputs.square().mean()} if draw.step % 3 == 0 else {})


def trainer_in(folder: Path, members: Team = ALONE, **settings: Any) -> Trainer:
    """Return a trainer of the small network whose run folder is `folder`."""
    torch.manual_seed(0)
    folder.mkdir(exist_ok=True)
    config = TrainerConfig(**{"steps": 60, "warmup_steps": 5, "log_every": 5, "threads": 1, **settings})
    weights = {"fit": 1.0, "size": 0.01}
    return Trainer(Layered(), Remembering(), weights, config, folder, team=members, validation=misfit)


def misfit(model: nn.Module) -> float:
    """Return the error of a model on inputs that no training draws."""
    draw = Draw(step=10**6)
    with torch.no_grad():
        return float(Remembering()(model, draw)["fit"])


def main(folder: Path, settings: dict[str, Any]) -> None:
    """Train in a team, or go on with what the folder holds, and write the curve when the end is reached."""
    with team(torch.device("cpu")) as members:
        trainer = trainer_in(folder, members, **settings)
        if (folder / "training.safetensors").is_file():
            trainer.resume()
        trainer.fit()
        if members.leads:
            (folder / "curve.json").write_text(json.dumps(trainer.curve))


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
