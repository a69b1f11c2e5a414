"""Says that kernels are being compiled, so that the first use after installing does not seem to hang."""

import logging
from typing import Any

from numba.core.event import Event, Listener, register

LOG = logging.getLogger("musclegym")


class Announcement(Listener):
    """Logs one line when numba begins to compile a kernel of this package, which its cache spares later."""

    said = False

    def on_start(self, event: Event) -> None:
        """Say it, unless it was said before or the function is not of this package."""
        details: Any = event.data
        module = details["dispatcher"].py_func.__module__ or ""
        if not self.said and module.startswith("musclegym."):
            self.said = True
            LOG.warning(
                "musclegym compiles its kernels: that takes a minute or a few, once after installing; "
                "later they are read from numba's cache"
            )

    def on_end(self, event: Event) -> None:
        """Say nothing."""


def announce_compiling() -> None:
    """Let this process say it once."""
    register("numba:compile", Announcement())
