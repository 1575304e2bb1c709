"""Why a benchmark could not be run or read. The command prints the message and exits with 1."""

from __future__ import annotations


class BenchError(Exception):
    """A benchmark that cannot say a figure says why instead."""
