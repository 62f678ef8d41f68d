"""Train with every combination of some parameters, a few jobs at once.

    alf grid_search --root_dir R --search_config S.json --conf C       a new one
    alf grid_search --root_dir R                                       go on
    alf grid_search --root_dir R --executor ray --ray_address H:6379   on ray

S.json holds for example:

    {"desc": "how far to look ahead, and how much to explore",
     "parameters": {"ActorCriticLoss.gamma": [0.98, 0.99],
                    "ActorCriticLoss.td_lambda": "[k / 10 for k in (8, 9)]"},
     "repeats": 3, "max_worker_num": 4, "use_gpu": false, "gpus": []}

A grid trains every combination. With "search": "tpe" (or "random") and "budget": 30, so many
combinations are chosen, and a parameter may have a range: {"low": 1e-5, "high": 1e-2, "log": true}.

The code is frozen when the search is submitted: jobs that wait are not changed by what is edited
later. Each job's folder, R/<index>r<repeat>+<parameters>, can be played and trained on by itself.
"""

import sys
from collections.abc import Sequence

from absl import flags

from alf import process
from alf.bin import command, train

# Train's flags, so that whatever holds for one job holds for all jobs of a search.
FLAGS = flags.FlagValues()
FLAGS.append_flag_values(train.FLAGS)
flags.DEFINE_string(
    "search_config",
    None,
    "JSON file of a new search. Left out together with --conf: go on with the one in --root_dir.",
    flag_values=FLAGS,
)
flags.DEFINE_enum(
    "executor",
    "local",
    ["local", "ray"],
    "Where jobs run: as processes of this machine, or on a Ray cluster.",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "ray_address",
    None,
    "Address of the Ray cluster, for example 10.0.0.1:6379. Left out: what RAY_ADDRESS says, else "
    "a cluster of this machine alone.",
    flag_values=FLAGS,
)
_OWN_FLAGS = (
    "root_dir",
    "conf",
    "conf_param",
    "store_snapshot",
    "search_config",
    "executor",
    "ray_address",
)


def main(argv: Sequence[str]) -> int:
    """Run the command; returns its exit code."""
    return command.main(_search, FLAGS, __doc__, argv, program="alf grid_search")


def _search(flag_values: flags.FlagValues) -> int:
    from rich.console import Console

    from alf.search.search_job import SearchJob

    # A file has no width; a table in it should not be folded to that of an old terminal.
    console = Console(
        width=None if sys.stdout.isatty() else 160, markup=False, highlight=False, emoji=False
    )
    job = SearchJob(
        root_dir=command.required(flag_values, "root_dir", "/tmp/my_search"),
        search_config=flag_values["search_config"].value,
        conf=flag_values["conf"].value,
        conf_params=flag_values["conf_param"].value or [],
        store_snapshot=bool(flag_values["store_snapshot"].value),
        flags=_passed_on(flag_values),
        command_line=sys.argv,
        console=console,
        executor=str(flag_values["executor"].value),
        ray_address=flag_values["ray_address"].value,
    )
    with command.terminable():
        return job.run()


def _passed_on(flag_values: flags.FlagValues) -> list[str]:
    """The flags that each job gets as they were given here."""
    return [
        flag_values[name].serialize()
        for name in flag_values
        if name not in _OWN_FLAGS and flag_values[name].present
    ]


if __name__ == "__main__":
    process.run(main)
