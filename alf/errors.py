"""Every error that `alf` raises on purpose.

    AlfError                      exit code 1: the work failed, or a check does not hold
    ├── UsageError                exit code 2: what was asked for cannot be done as it was written
    │   ├── ConfigError           a configured name or value is not acceptable
    │   ├── RootDirError          the root dir is missing, a file, not writable, or of another kind
    │   └── CheckpointError       a checkpoint is missing, incomplete, damaged or of another model
    ├── SnapshotError             a snapshot could not be taken, found, or proved to be what runs
    ├── EnvError                  an environment could not be made, or broke while stepping
    ├── TrainingError             training cannot go on
    │   └── LostRankError         another process of the job has ended, which is the cause
    ├── RenderError               data cannot be drawn or a recording cannot be written
    └── ContractError             an algorithm or an environment breaks a promise (alf.testing)

A message says what happened, where, what was given, and what to do. Commands print the message
alone, without a traceback, and exit with the code of the class.
"""


class AlfError(Exception):
    """The work failed, or a check does not hold."""

    exit_code = 1


class UsageError(AlfError):
    """What was asked for cannot be done as it was written; nothing was started."""

    exit_code = 2


class ConfigError(UsageError):
    """A configured name is unknown or ambiguous, or a value cannot be used where it was set."""


class RootDirError(UsageError):
    """The root dir is missing, is not a folder, cannot be written, or holds something else."""


class CheckpointError(UsageError):
    """A checkpoint is missing, incomplete, damaged, or belongs to another model."""


class SnapshotError(AlfError):
    """A snapshot could not be taken, found, or proved to be the code that runs."""


class EnvError(AlfError):
    """An environment could not be made, or broke while it was stepped."""


class TrainingError(AlfError):
    """Training cannot go on: a loss is not finite, or a piece that it needs is gone."""


class LostRankError(TrainingError):
    """Another process of a distributed job has ended, or does not answer; that is the cause.

    The exit code tells who started the processes to look for the cause elsewhere; it is not that of
    a command.
    """

    exit_code = 75


class RenderError(AlfError):
    """Data cannot be drawn, or a recording cannot be written."""


class ContractError(AlfError, AssertionError):
    """An algorithm or an environment does not do what its contract promises."""
