"""Play two versions of a policy with the same seeds, and say where they part.

    alf compare --root_dir R                          its own code, and today's
    alf compare --root_dir R --a ckpt-20 --b ckpt-40  each with its own code
    alf compare --root_dir R --a ckpt-20@current --b ckpt-40@current
                                                      both with today's code
    alf compare --root_dir R --b_root_dir R2          the newest of two jobs

A side is CHECKPOINT@CODE: `ckpt-N` or `newest`, `@snapshot` (its own code) or `@current` (today's).
Each plays in a process of its own. Exit codes: 0 done, 1 a side cannot be played, or with
--exit_code the sides differ; 2 used wrongly.
"""

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from alf import process
from alf.bin import command
from alf.errors import RootDirError, UsageError

FLAGS = flags.FlagValues()
flags.DEFINE_string("root_dir", None, "The job's folder.", flag_values=FLAGS)
flags.DEFINE_string(
    "b_root_dir", None, "Folder of the second side's job. Left out: --root_dir.", flag_values=FLAGS
)
flags.DEFINE_string("a", "newest@snapshot", "The first side.", flag_values=FLAGS)
flags.DEFINE_string(
    "b",
    None,
    "The second side. Left out: newest@current, or newest@snapshot of another job.",
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "num_episodes", 5, "How many episodes to play.", lower_bound=1, flag_values=FLAGS
)
flags.DEFINE_integer(
    "random_seed",
    0,
    "Seed of the first episode; the next ones count on.",
    lower_bound=0,
    flag_values=FLAGS,
)
flags.DEFINE_multi_string(
    "record_file",
    [],
    "Record both sides in step, to a name that ends in .mp4, .gif or .html.",
    flag_values=FLAGS,
)
flags.DEFINE_bool("alg_render", False, "Show the policies' panels too.", flag_values=FLAGS)
flags.DEFINE_bool("exit_code", False, "Exit with 1 where the sides differ.", flag_values=FLAGS)
flags.DEFINE_string("report_file", None, "Write the outcome as JSON.", flag_values=FLAGS)


def main(argv: Sequence[str]) -> int:
    """Run the command; returns its exit code."""
    return command.main(_compare, FLAGS, __doc__, argv, program="alf compare")


def _compare(flag_values: flags.FlagValues) -> int:
    with process.importing():
        from alf.player.places import check_place, check_record_files
        from alf.trainers.compare_job import CompareJob, parse_side
        from alf.trainers.play import write_report

    root_dir = _root_dir(command.required(flag_values, "root_dir", "/tmp/my_job"))
    other = _root_dir(flag_values.b_root_dir) if flag_values.b_root_dir else root_dir
    default = "newest@current" if other == root_dir else "newest@snapshot"
    for name in flag_values.record_file:
        if Path(name).suffix.lower() not in (".mp4", ".gif", ".html"):
            raise UsageError(f"--record_file {name}: give a name that ends in .mp4, .gif or .html")
    check_record_files(flag_values.record_file)
    if flag_values.report_file:
        check_place(Path(flag_values.report_file).expanduser(), "--report_file")
    job = CompareJob(
        a=parse_side(root_dir, flag_values.a, "--a"),
        b=parse_side(other, flag_values.b or default, "--b"),
        num_episodes=flag_values.num_episodes,
        random_seed=flag_values.random_seed,
        record_files=flag_values.record_file,
        alg_render=flag_values.alg_render,
        report=command.print_line,
    )
    with command.terminable():
        outcome = job.run()
    if flag_values.report_file:
        write_report(flag_values.report_file, outcome.as_dict())
    return 1 if flag_values.exit_code and not outcome.is_same else 0


def _root_dir(name: str) -> Path:
    path = Path(name).expanduser().absolute()
    if not (path / "alf_config.py").is_file():
        raise RootDirError(f"there is no job in '{path}' (it has no alf_config.py)")
    return path


if __name__ == "__main__":
    process.run(main)
