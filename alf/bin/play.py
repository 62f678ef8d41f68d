"""Show and measure a trained agent.

    alf play --root_dir /tmp/job                          in a window
    alf play --root_dir /tmp/job --record_file play.mp4   in a film
    alf play --root_dir /tmp/job --record_file play.html  in a page to explore
    alf play --root_dir /tmp/job --use_alf_snapshot       with its own code

It runs today's code unless --use_alf_snapshot is given. The configuration is
`<root_dir>/alf_config.py`; code of an older snapshot takes its own, unless that file was edited.
In the window, ? shows the keys.
"""

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags, logging

from alf import process
from alf.bin import command
from alf.errors import CheckpointError, RootDirError, UsageError

FLAGS = flags.FlagValues()
flags.DEFINE_string("root_dir", None, "The job's folder.", flag_values=FLAGS)
flags.DEFINE_integer(
    "checkpoint_step",
    None,
    "Training iterations of the checkpoint. Left out: the newest.",
    lower_bound=0,
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "num_episodes", 10, "How many episodes to play.", lower_bound=1, flag_values=FLAGS
)
flags.DEFINE_integer(
    "random_seed",
    None,
    "Seed of the first episode; the next ones count on. Left out: drawn, and shown.",
    lower_bound=0,
    flag_values=FLAGS,
)
flags.DEFINE_bool(
    "render",
    None,
    "Show a window. Left out: if there is a display and no --record_file.",
    flag_values=FLAGS,
)
flags.DEFINE_multi_string(
    "record_file",
    [],
    "Record to a name that ends in .mp4, .gif, .html (a player with charts, for any browser) or "
    ".npz (numbers), or to a folder for PNG frames.",
    flag_values=FLAGS,
)
flags.DEFINE_bool(
    "alg_render",
    False,
    "Turn the render functions on, so that the algorithm's images are shown beside the frame.",
    flag_values=FLAGS,
)
flags.DEFINE_bool(
    "use_alf_snapshot",
    False,
    "Run the code that trained the checkpoint, in a process of its own, instead of today's.",
    flag_values=FLAGS,
)
flags.DEFINE_bool(
    "exact_env",
    False,
    "Run it in an environment with the versions of Python and of all packages that trained the "
    "checkpoint; it is made once and kept. Implies --use_alf_snapshot.",
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "parallel_play",
    1,
    "Play in so many environments at once; measures faster, and shows nothing.",
    lower_bound=1,
    flag_values=FLAGS,
)
flags.DEFINE_float(
    "sleep_time_per_step",
    None,
    "Seconds between two frames in the window. Left out: as fast as the environment is meant.",
    lower_bound=0,
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "last_step_repeats",
    0,
    "How often the last frame of an episode is shown again.",
    lower_bound=0,
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "append_blank_frames", 0, "Blank frames after an episode.", lower_bound=0, flag_values=FLAGS
)
flags.DEFINE_multi_string(
    "ignored_parameter_prefixes",
    [],
    "Parameters whose names begin so are not read from the checkpoint.",
    flag_values=FLAGS,
)
flags.DEFINE_multi_string(
    "conf_param",
    [],
    "NAME=VALUE that wins over the recorded configuration, for this play only.",
    flag_values=FLAGS,
)
flags.DEFINE_float(
    "epsilon_greedy",
    None,
    "Probability of an action that the policy samples, as in training, instead of its best one: "
    "0 is greedy, 1 always samples. Left out: as configured, which is 0 if nothing is.",
    lower_bound=0,
    upper_bound=1,
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "report_file", None, "Write the results to this file as JSON.", flag_values=FLAGS
)
flags.DEFINE_bool(
    "selective_mode",
    False,
    "Ask after each episode whether to record it; it is then played again with its seed.",
    flag_values=FLAGS,
)
flags.DEFINE_bool("debug", False, "Show the whole traceback of a failure.", flag_values=FLAGS)

CONFIG_FILE = "alf_config.py"


def main(argv: Sequence[str]) -> int:
    """Run the command; returns its exit code."""

    def play(flag_values: flags.FlagValues) -> int:
        return _play(flag_values, argv)

    return command.main(play, FLAGS, __doc__, argv, program="alf play")


def _play(flag_values: flags.FlagValues, argv: Sequence[str]) -> int:
    root_dir = _checked_root_dir(flag_values)
    _check_flags(flag_values)
    in_snapshot = _prove_snapshot()
    if flag_values.exact_env and not in_snapshot:
        return _play_in_exact_env(root_dir, flag_values, argv)
    if flag_values.use_alf_snapshot and not in_snapshot:
        return _play_in_snapshot(root_dir, flag_values.checkpoint_step, argv)
    window = _wants_window(flag_values)
    _quiet_screenless_drawing(window)
    if flag_values.alg_render and not (window or flag_values.record_file):
        command.print_line(
            "--alg_render draws for a window or a recording: add --record_file play.mp4"
        )
    with process.importing():
        from alf.trainers.play_job import PlayJob

    job = PlayJob(
        root_dir=root_dir,
        checkpoint_step=_checkpoint_step(flag_values),
        num_episodes=flag_values.num_episodes,
        random_seed=flag_values.random_seed,
        window=window,
        record_files=flag_values.record_file,
        alg_render=flag_values.alg_render,
        parallel_play=flag_values.parallel_play,
        sleep_time_per_step=flag_values.sleep_time_per_step,
        last_step_repeats=flag_values.last_step_repeats,
        append_blank_frames=flag_values.append_blank_frames,
        ignored_parameter_prefixes=flag_values.ignored_parameter_prefixes,
        conf_params=_conf_params(flag_values),
        report_file=flag_values.report_file,
        ask=_ask if flag_values.selective_mode else None,
        report=command.print_line,
    )
    with command.terminable(), job.explained(flag_values.debug or in_snapshot):
        job.run()
    return 0


def _conf_params(flag_values: flags.FlagValues) -> list[str]:
    given: list[str] = flag_values.conf_param
    if flag_values.epsilon_greedy is None:
        return given
    return [*given, f"TrainerConfig.epsilon_greedy={flag_values.epsilon_greedy!r}"]


def _checked_root_dir(flag_values: flags.FlagValues) -> Path:
    """The root dir, after looking whether there is something to play in it; imports no torch."""
    given = command.required(flag_values, "root_dir", "/tmp/my_job")
    root_dir = Path(given).expanduser().absolute()
    if not root_dir.is_dir():
        raise RootDirError(f"there is no folder '{root_dir}': check --root_dir")
    if not (root_dir / CONFIG_FILE).is_file():
        raise RootDirError(
            f"there is no job in '{root_dir}' (it has no {CONFIG_FILE}): --root_dir is the folder "
            "that `alf train --root_dir` was given"
        )
    steps = _checkpoint_steps(root_dir)
    wanted = flag_values.checkpoint_step
    if not steps:
        raise CheckpointError(f"there is no checkpoint in '{root_dir}' yet: train first")
    if wanted is not None and wanted not in steps:
        listed = ", ".join(map(str, steps))
        raise CheckpointError(f"there is no 'ckpt-{wanted}' in '{root_dir}'; there are: {listed}")
    return root_dir


def _checkpoint_steps(root_dir: Path) -> list[int]:
    folder = root_dir / "train" / "algorithm"
    if not folder.is_dir():
        return []
    names = (re.fullmatch(r"ckpt-(\d+)", entry.name) for entry in folder.iterdir())
    return sorted(int(match[1]) for match in names if match)


def _check_flags(flag_values: flags.FlagValues) -> None:
    """Flags that contradict each other, told before anything is started."""
    from alf.player.places import check_place, check_record_files

    record_files = flag_values.record_file
    check_record_files(record_files)
    if flag_values.report_file:
        check_place(Path(flag_values.report_file).expanduser(), "--report_file")
    shows = bool(record_files) or bool(flag_values.render)
    if flag_values.parallel_play > 1 and shows:
        raise UsageError(
            "--parallel_play plays many environments at once and shows none: leave it out to "
            "record or to watch"
        )
    if flag_values.selective_mode:
        if not record_files:
            raise UsageError("--selective_mode chooses what to record: give --record_file too")
        if not sys.stdin.isatty():
            raise UsageError("--selective_mode asks questions, and there is no terminal to answer")


def _checkpoint_step(flag_values: flags.FlagValues) -> int | str:
    step = flag_values.checkpoint_step
    return "latest" if step is None else step


def _wants_window(flag_values: flags.FlagValues) -> bool:
    """Whether to open a window; says so where one was expected and cannot be."""
    from alf.player.places import has_display

    recording = bool(flag_values.record_file)
    if flag_values.render is False or flag_values.parallel_play > 1:
        return False
    if flag_values.selective_mode or (recording and not flag_values.render):
        return False
    if has_display():
        return True
    if not recording:
        command.print_line(
            "no display here, so nothing is shown; --record_file play.mp4 makes a film"
        )
    return False


def _quiet_screenless_drawing(window: bool) -> None:
    """Lets environments that draw by SDL do so in memory, where nothing is to be shown.

    Otherwise SDL looks for a screen first, and complains where there is none.
    """
    if not window:
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")


def _prove_snapshot() -> bool:
    """In a process that was started to run a snapshot: proves that it does, and says so."""
    from alf.snapshot import prove

    proof = prove()
    if proof is None:
        return False
    logging.info("=== Using an ALF snapshot at '%s' ===", proof.root / "alf")
    return True


def _play_in_exact_env(root_dir: Path, flag_values: flags.FlagValues, argv: Sequence[str]) -> int:
    """Plays with the checkpoint's own code and package versions; returns the exit code."""
    from alf.snapshot.exact_env import exact_environment, note_in_report

    step = flag_values.checkpoint_step
    with command.terminable():
        environment = exact_environment(root_dir, _made_by(root_dir, step), command.print_line)
    # The snapshot's play may be older than this flag.
    known = [word for word in argv if not re.fullmatch(r"--?(no)?exact_env(=.*)?", word)]
    code = _play_in_snapshot(root_dir, step, known, environment.python)
    if code == 0 and flag_values.report_file:
        note_in_report(flag_values.report_file, environment)
    return code


def _play_in_snapshot(
    root_dir: Path, step: int | None, argv: Sequence[str], python: Path | None = None
) -> int:
    """Plays in a process that runs the checkpoint's own code; returns its exit code."""
    from alf.snapshot import copy_holds, run_with_snapshot

    wanted = _made_by(root_dir, step)
    if python is None:
        _remark_versions(root_dir, wanted)
    # The copy in the root dir is what people edit to look into a model, so it is what runs,
    # unless it belongs to other code than this checkpoint's.
    snapshot_id = None if copy_holds(root_dir, wanted) else wanted
    if snapshot_id is None:
        _report_edits(root_dir)
    return run_with_snapshot(root_dir, "alf.bin.play", argv, snapshot_id, python)


def _report_edits(root_dir: Path) -> None:
    """Says that what is about to run is not quite the code that trained the model."""
    from alf.snapshot import edited

    edits = edited(root_dir)
    if edits:
        count = "1 file" if len(edits) == 1 else f"{len(edits)} files"
        more = f" and {len(edits) - 3} more" if len(edits) > 3 else ""
        command.print_line(f"edited    since training: {count}, {', '.join(edits[:3])}{more}")


def _remark_versions(root_dir: Path, snapshot: str) -> None:
    """Says which packages of importance have other versions than those that trained the model."""
    from alf.snapshot.exact_env import version_remark

    remark = version_remark(root_dir, snapshot)
    if remark is not None:
        command.print_line(f"python    {remark}")


def _made_by(root_dir: Path, step: int | None) -> str:
    """The name of the snapshot that made a checkpoint; None is the newest."""
    return f"ckpt-{_checkpoint_steps(root_dir)[-1] if step is None else step}"


def _ask(line: str) -> bool:
    answer = input(f"{line}\nRecord it? [y/N] ")
    return answer.strip().lower() in ("y", "yes")


if __name__ == "__main__":
    process.run(main)
