"""The surroundings of then: an environment with the versions that a snapshot recorded.

    environment = exact_environment(root_dir, "ckpt-1000", report=print)   built once, then cached
    run_with_snapshot(root_dir, module, arguments, python=environment.python)
    note_in_report(report_file, environment)                               what a play ran in

    remark = version_remark(root_dir, "ckpt-1000")     what of importance has another version here

Files, lowest first: `record` (what was recorded), `interpreter` (which Python), `takeover`
(packages that are installed here), `pip_install` (packages that are not), `build` (all of it in
one folder), `cache` (once, whole or not at all). docs/exact_env.md tells the story for users.
"""

from alf.snapshot.exact_env.cache import (
    ExactEnvironment,
    cache_folder,
    exact_environment,
    note_in_report,
    prepare,
)
from alf.snapshot.exact_env.record import Recorded, read_record, version_remark

__all__ = [
    "ExactEnvironment",
    "Recorded",
    "cache_folder",
    "exact_environment",
    "note_in_report",
    "prepare",
    "read_record",
    "version_remark",
]
