"""What the user is told in one line, and the exit code that goes with it.

Anything else that escapes a step is a bug of ours and keeps its traceback.
"""

from __future__ import annotations


class PipelineError(Exception):
    """A problem with a one-line message that says what to do about it."""

    exit_code = 2


class InputError(PipelineError):
    """Wrong usage or bad input: data, settings, folders or a service that cannot be used. Exit code 2."""


class GateError(PipelineError):
    """The model may not go on, for the reasons in the message. Exit code 1."""

    exit_code = 1
