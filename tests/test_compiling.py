"""What is said while kernels are compiled."""

import logging

import pytest
from numba import njit
from numba.core import event

from musclegym.compiling import Announcement


def test_compiling_is_said_once_and_of_this_package_only(caplog: pytest.LogCaptureFixture):
    def double(value: float) -> float:
        return 2.0 * value

    foreign = njit(double)
    double.__module__ = "elsewhere"
    with event.install_listener("numba:compile", Announcement()), caplog.at_level(logging.WARNING):
        foreign(1.0)
        assert not caplog.records
        double.__module__ = "musclegym.somewhere"
        own = njit(double)
        own(1.0)
        own(1)
        own(2.0)
    assert [record.name for record in caplog.records] == ["musclegym"]
    assert "once after installing" in caplog.text
