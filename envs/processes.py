"""Groups of members in worker processes: numbers go through shared memory, rare things through pipes.

Workers are spawned, never forked, with one thread each. They leave Ctrl-C to the process that started them
and end when it does, since then their pipe closes.
"""

import multiprocessing
import os
import pickle
import signal
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from itertools import pairwise
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import CloudpickleWrapper

from musclegym.envs.humanoid import MuscleHumanoidEnv
from musclegym.envs.infos import Infos, Path, join, leaves, nested
from musclegym.envs.members import BatchShape, Flags, Members, aligned

THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
"""Environment variables that a process reads once, when it loads its libraries."""
INFO_SIZE = 16_384
"""Shared memory for a member's numeric infos; larger ones go through the pipe [byte]."""
PATIENCE = 10.0
"""How long a worker may take to end before it is made to [s]."""

Memory = npt.NDArray[np.uint8]
Layout = tuple[tuple[Path, str, tuple[int, ...]], ...]
"""Path, type and shape of arrays that lie one after the other in a block of memory."""


class Parcel(NamedTuple):
    """What tells of vector infos whose numbers lie in shared memory."""

    layout: int  # number of the layout, counted from the first one that was used
    new: Layout | None  # the layout, when it is used for the first time
    rest: dict[Path, npt.NDArray[Any]]  # what does not lie there


class Failure(NamedTuple):
    """What tells of an error in a worker."""

    error: Exception
    text: str  # the worker's traceback


class Setup(NamedTuple):
    """What a worker is started with. Little, for a start hangs where a worker dies before it reads much."""

    memory: Any  # shared ctypes array: the batch of all members, then the workers' infos
    shape: BatchShape  # of all members
    members: slice  # those of this worker
    infos: slice  # its part of the memory for infos
    autoreset_mode: AutoresetMode
    max_episode_steps: int | None


class WorkerTraceback(Exception):  # noqa: N818 (it is the cause of an error, not an error)
    """Shows where in a worker an error arose."""

    def __init__(self, text: str) -> None:
        super().__init__(text)

    def __str__(self) -> str:
        """The worker's traceback, set off from the caller's."""
        return f"in a worker process\n{self.args[0]}"


class Workers:
    """Groups of members in processes of their own, with the interface of `Members`."""

    def __init__(
        self,
        shape: BatchShape,
        processes: int,
        options: Mapping[str, Any],
        autoreset_mode: AutoresetMode,
        max_episode_steps: int | None,
    ) -> None:
        """Start the workers and wait until they are ready.

        Args:
            shape: how large the batch is.
            processes: workers, at most one per member.
            options: of each environment.
            autoreset_mode: when an environment whose episode has ended starts anew.
            max_episode_steps: control steps after which an episode is truncated; None for no limit.

        Raises:
            RuntimeError: if a worker dies.
        """
        context = multiprocessing.get_context("spawn")
        start, size = shape.size(), aligned((INFO_SIZE,), np.uint8)
        shared = context.RawArray("B", start + size * shape.members)
        memory = np.frombuffer(shared, dtype=np.uint8)
        self.batch = shape.over(memory)
        bounds = [round(shape.members * index / processes) for index in range(processes + 1)]
        self._workers: list[Worker] = []
        with ExitStack() as failing:
            failing.callback(self.close)
            with one_thread_each():
                for first, stop in pairwise(bounds):
                    infos = slice(start + size * first, start + size * stop)
                    setup = Setup(shared, shape, slice(first, stop), infos, autoreset_mode, max_episode_steps)
                    self._workers.append(Worker(context, setup, memory[infos]))
            make = CloudpickleWrapper(partial(MuscleHumanoidEnv, **options))
            for worker in self._workers:
                worker.ask("build", make)
            self._collect()
            failing.pop_all()  # nothing has failed

    def reset(
        self, turn: int, seeds: Sequence[int | None], options: dict[str, Any] | None, chosen: Flags
    ) -> Infos:
        """Start episodes of the `chosen` members; see `Members.reset`."""
        for worker in self._workers:
            worker.ask("reset", turn, seeds[worker.members], options, chosen[worker.members])
        return self._infos()

    def step(self, turn: int) -> Infos:
        """Make a control step; see `Members.step`."""
        for worker in self._workers:
            worker.ask("step", turn)
        return self._infos()

    def call(self, members: Sequence[int], name: str, *arguments: Any, **keywords: Any) -> list[Any]:
        """Return an attribute of some members, or what it returns; see `Members.call`."""
        places = [range(self.batch.rewards.size)[index] for index in members]
        asked = []
        for worker in self._workers:
            mine = [place for place in places if worker.members.start <= place < worker.members.stop]
            if mine:
                worker.ask(
                    "call", [place - worker.members.start for place in mine], name, arguments, keywords
                )
                asked.append((worker, mine))
        answers = self._collect([worker for worker, _ in asked])
        found: dict[int, Any] = {}
        for (_, mine), answer in zip(asked, answers, strict=True):
            found.update(zip(mine, answer, strict=True))
        return [found[place] for place in places]

    def close(self) -> None:
        """End the workers; may be called twice."""
        for worker in self._workers:
            worker.connection.close()
        for worker in self._workers:
            worker.end()
        self._workers = []

    def _infos(self) -> Infos:
        """Wait for all workers, and return the infos of all members."""
        parcels = self._collect()
        parts = [worker.unpack(parcel) for worker, parcel in zip(self._workers, parcels, strict=True)]
        return join(parts, [worker.members.stop - worker.members.start for worker in self._workers])

    def _collect(self, workers: "Sequence[Worker] | None" = None) -> list[Any]:
        """Wait for the answer of each worker, and raise the first error among them."""
        answers = [worker.answer() for worker in (self._workers if workers is None else workers)]
        for answer in answers:
            if isinstance(answer, Failure):
                raise answer.error from WorkerTraceback(answer.text)
        return answers


class Worker:
    """One worker process, as the process that started it sees it."""

    def __init__(self, context: Any, setup: Setup, memory: Memory) -> None:
        """Start the process.

        Args:
            context: how processes are started.
            setup: what it needs.
            memory: where it writes numeric infos.
        """
        self.members, self._memory = setup.members, memory
        self._layouts: list[dict[Path, npt.NDArray[Any]]] = []
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=work, args=(theirs, setup), daemon=True)
        self.process.start()
        theirs.close()  # so that reading ends when the worker does
        self._owed = 0  # answers that have not been read

    def ask(self, name: str, *arguments: Any) -> None:
        """Let the worker call a method of its `Group`."""
        while self._owed:  # since waiting for it was interrupted
            self.answer()
        try:
            self.connection.send((name, arguments))
        except (BrokenPipeError, ConnectionResetError):
            raise self._died() from None
        self._owed += 1

    def answer(self) -> Any:
        """Wait for an answer and return it.

        Raises:
            RuntimeError: if the worker has died.
        """
        try:
            answer = self.connection.recv()
        except (EOFError, ConnectionResetError):
            raise self._died() from None
        self._owed -= 1
        if isinstance(answer, Parcel) and answer.new is not None:
            self._layouts.append(arrays_over(self._memory, answer.new))
        return answer

    def unpack(self, parcel: Parcel) -> Infos:
        """Return the infos that a parcel tells of; they change with the next step."""
        return nested({**self._layouts[parcel.layout], **parcel.rest})

    def end(self) -> None:
        """Wait until the process ends; its pipe has been closed."""
        self.process.join(PATIENCE)
        if self.process.exitcode is None:
            self.process.terminate()
            self.process.join()
        self.process.close()

    def _died(self) -> RuntimeError:
        self.process.join(PATIENCE)
        first, last = self.members.start, self.members.stop - 1
        return RuntimeError(
            f"a worker lives as long as its environment, but that of members {first} to {last} has died with "
            f"exit code {self.process.exitcode}; its error output may say why (-9: killed, as by a shortage "
            f'of memory; 1 at the start: a script without `if __name__ == "__main__":`). Close this '
            f"environment and make it anew"
        )


class Group:
    """The members of one worker, as the worker sees them."""

    def __init__(self, setup: Setup) -> None:
        """Find the group's part of the shared memory."""
        memory = np.frombuffer(setup.memory, dtype=np.uint8)
        self._setup, self._memory = setup, memory[setup.infos]
        self._batch = setup.shape.over(memory).part(setup.members)
        self._layouts: dict[Layout, tuple[int, dict[Path, npt.NDArray[Any]]]] = {}
        self._members: Members

    def build(self, make: CloudpickleWrapper[MuscleHumanoidEnv]) -> None:
        """Make the members; their options may hold classes of the caller's script or notebook."""
        envs = [make.fn() for _ in range(self._batch.rewards.size)]
        mode, limit = self._setup.autoreset_mode, self._setup.max_episode_steps
        self._members = Members(envs, self._batch, mode, limit)

    def reset(self, *arguments: Any) -> Parcel:
        """Start episodes."""
        return self._pack(self._members.reset(*arguments))

    def step(self, turn: int) -> Parcel:
        """Make a control step."""
        return self._pack(self._members.step(turn))

    def call(
        self, members: Sequence[int], name: str, arguments: Sequence[Any], keywords: Mapping[str, Any]
    ) -> list[Any]:
        """Return an attribute of some members, or what it returns."""
        return self._members.call(members, name, *arguments, **keywords)

    def _pack(self, infos: Infos) -> Parcel:
        """Write the numbers of infos to shared memory, and say where they are."""
        numbers: dict[Path, npt.NDArray[Any]] = {}
        rest: dict[Path, npt.NDArray[Any]] = {}
        used = 0
        for path, array in leaves(infos):
            need = aligned(array.shape, array.dtype)
            if array.dtype == object or used + need > self._memory.size:
                rest[path] = array
            else:
                numbers[path] = array
                used += need
        layout = tuple((path, array.dtype.str, array.shape) for path, array in numbers.items())
        is_new = layout not in self._layouts
        if is_new:
            self._layouts[layout] = len(self._layouts), arrays_over(self._memory, layout)
        number, places = self._layouts[layout]
        for place, array in zip(places.values(), numbers.values(), strict=True):
            place[...] = array
        return Parcel(number, layout if is_new else None, rest)


class Reporting(AbstractContextManager[None]):
    """Tells the other end of a pipe of an error, and goes on."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Send an error with its traceback; a broken pipe is none, for nobody listens."""
        if not isinstance(error, Exception) or isinstance(error, BrokenPipeError | ConnectionResetError):
            return False
        self.connection.send(Failure(sendable(error), "".join(traceback.format_exception(error))))
        return True


def sendable(error: Exception) -> Exception:
    """Return an error as it can be sent to another process."""
    try:
        pickle.loads(pickle.dumps(error))
    except (pickle.PicklingError, AttributeError, TypeError):
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def work(connection: Connection, setup: Setup) -> None:
    """Run a worker: do what it is asked until the other end of the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    group = Group(setup)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            name, arguments = connection.recv()
            with Reporting(connection):
                connection.send(getattr(group, name)(*arguments))


def arrays_over(memory: Memory, layout: Layout) -> dict[Path, npt.NDArray[Any]]:
    """Return the arrays of a layout, from the beginning of a block of memory on."""
    result, start = {}, 0
    for path, kind, shape in layout:
        size = int(np.prod(shape)) * np.dtype(kind).itemsize
        result[path] = memory[start : start + size].view(kind).reshape(shape)
        start += aligned(shape, kind)
    return result


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Let processes that are started here have one thread each."""
    before = {name: os.environ.get(name) for name in THREAD_LIMITS}
    os.environ.update(dict.fromkeys(THREAD_LIMITS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
