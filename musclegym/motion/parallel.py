"""The same work on many items, in several processes."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

WAITING = 4  # items given out per process; more would only fill memory with results that wait


def in_processes(
    work: Callable[[Item], Result], items: Iterable[Item], processes: int
) -> Iterator[tuple[Item, Result]]:
    """Yield each item with its result as soon as that is ready, in any order.

    An error that `work` raises ends the iteration. The processes end with this one, even if it is killed.

    Args:
        work: function that other processes can import; what it holds (`functools.partial`) is sent once.
        items: what to work on.
        processes: how many to use; 1 stays in this one and keeps the order. With more, a script needs
            `if __name__ == "__main__":`, since each process begins by importing it.
    """
    if processes <= 1:
        yield from ((item, work(item)) for item in items)
        return
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), start_worker, (work,))
    with pool as executor:
        try:
            yield from as_ready(executor, iter(items), WAITING * processes)
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise


def as_ready(executor: ProcessPoolExecutor, items: Iterator[Item], most: int) -> Iterator[tuple[Item, Any]]:
    """Yield items with their results as they come, with no more than `most` given out."""
    given: dict[Future[Any], Item] = {}
    while True:
        while len(given) < most:
            try:
                item = next(items)
            except StopIteration:
                break
            given[executor.submit(work_here, item)] = item
        if not given:
            return
        for future in wait(given, return_when=FIRST_COMPLETED).done:
            yield given.pop(future), future.result()


_work: list[Callable[[Any], Any]] = []  # of a worker process: what it does


def start_worker(work: Callable[[Any], Any]) -> None:
    """Prepare a worker process: Ctrl-C is its parent's, and it ends when the parent does."""
    _work.append(work)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    """Wait until the parent is gone, however it went, and end this process."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def work_here(item: Any) -> Any:
    """Do the work of a worker process on one item."""
    return _work[0](item)
