"""A play from its first line to its last: configuration, environment, policy, episodes, report."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from alf import snapshot
from alf._config import load_config, parse_overrides, pre_config, validate_pre_configs
from alf.device import prepare_computing
from alf.environments.alf_environment import AlfEnvironment
from alf.environments.creation import create_environment
from alf.errors import AlfError, EnvError, RenderError
from alf.failures import last_places
from alf.player.sinks import Sink, open_sinks, shows_pictures, shows_thoughts
from alf.summary import render
from alf.trainers.checkpoint import Checkpoint
from alf.trainers.old_model import describe_changes, with_its_code
from alf.trainers.play import PlayResult, open_model, play, write_report
from alf.trainers.policy import Policy
from alf.trainers.random_states import draw_seed, seed_everything
from alf.trainers.trainer_config import TrainerConfig


class OldModelError(AlfError):
    """Today's code cannot play a model of which the own code is stored."""


@dataclass
class PlayJob:
    """Plays a checkpoint of a job.

    Attributes:
        root_dir: the job's folder; its `alf_config.py` is the configuration.
        checkpoint_step: training iterations of the checkpoint, or `"latest"`.
        num_episodes: how many episodes to play.
        random_seed: of the first episode; `None` draws one.
        window: whether to show a window.
        record_files: where to record.
        alg_render: whether the render functions draw.
        parallel_play: environments that are played at once; above 1 nothing is shown.
        sleep_time_per_step: seconds between frames in the window; `None` for the environment's.
        last_step_repeats: how often the last frame of an episode is shown again.
        append_blank_frames: blank frames after an episode.
        ignored_parameter_prefixes: names of parameters that are not read from the checkpoint.
        conf_params: overrides of the configuration for this play, `NAME=VALUE` each.
        report_file: where to write the results as JSON, or `None`.
        ask: whether to record an episode, asked by a line about it; `None` records all.
        report: gets the lines that tell the user how it goes.
    """

    root_dir: Path
    checkpoint_step: int | str
    num_episodes: int
    random_seed: int | None
    window: bool
    record_files: Sequence[str]
    alg_render: bool
    parallel_play: int
    sleep_time_per_step: float | None
    last_step_repeats: int
    append_blank_frames: int
    ignored_parameter_prefixes: Sequence[str]
    conf_params: Sequence[str]
    report_file: str | None
    ask: Callable[[str], bool] | None
    report: Callable[[str], None]
    _checkpoint: Checkpoint | None = field(default=None, init=False)
    _overridden: bool = field(default=False, init=False)

    def run(self) -> PlayResult:
        """Plays.

        Raises:
            AlfError: anything that keeps it from being played.
        """
        overrides = parse_overrides(self.conf_params)
        model = open_model(self.root_dir, self.checkpoint_step)
        model = replace(model, is_overridden=bool(overrides))
        self._checkpoint = model.checkpoint
        self._overridden = model.is_overridden
        pre_config(overrides)
        conf = snapshot.conf_to_run(self.root_dir)
        load_config(conf)
        config = TrainerConfig(root_dir=str(self.root_dir), conf_file=str(conf))
        prepare_computing()
        seed = draw_seed() if self.random_seed is None else self.random_seed
        seed_everything(seed)
        with contextlib.ExitStack() as stack:
            env = stack.enter_context(self._make_environment())
            policy = Policy(config, env)
            validate_pre_configs()
            stack.enter_context(render.rendering(self._looks))
            sinks = stack.enter_context(self._open_sinks(env))
            result = play(
                self.root_dir,
                env,
                policy,
                model,
                self.num_episodes,
                sinks=sinks,
                seed=seed,
                last_step_repeats=self.last_step_repeats,
                append_blank_frames=self.append_blank_frames,
                selective=self.ask,
                ignored_parameter_prefixes=self.ignored_parameter_prefixes,
                show_panels=self.alg_render,
                report=self.report,
            )
        if self.report_file is not None:
            write_report(self.report_file, result.as_dict())
        return result

    @contextlib.contextmanager
    def explained(self, plain: bool) -> Iterator[None]:
        """Around `run`: where today's code fails on an old model, says how to play it anyway.

        A model whose code is stored can always be played; so a failure of the configuration, the
        algorithm or the environment becomes a short message that leads there. What the user
        asked for wrongly, and a recording that cannot be written, are left as they are.

        Args:
            plain: whether to leave every failure as it is.
        """
        with contextlib.ExitStack() as stack:
            if not plain:
                stack.push(self._explain)
            yield

    def _explain(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        snapshot_id = self._checkpoint.snapshot if self._checkpoint else None
        if snapshot_id is None or not isinstance(error, Exception):
            return False
        if isinstance(error, RenderError | EnvError) or (
            isinstance(error, AlfError) and self._overridden
        ):
            return False
        step = None if self.checkpoint_step == "latest" else int(self.checkpoint_step)
        changed = "\n".join(describe_changes(self.root_dir, snapshot_id))
        raise OldModelError(
            f"{_told(error)}\n\n{changed}\n"
            f"This model was trained by snapshot {snapshot_id}; play it with its own code:\n"
            f"  {with_its_code(self.root_dir, step)}\n"
            "(--debug shows the whole traceback.)"
        ) from error

    @property
    def _shows(self) -> bool:
        """Whether there is anything to draw for."""
        return self.window or bool(self.record_files)

    @property
    def _looks(self) -> bool:
        """Whether policies are to say what they think: for panels, or for recorded numbers."""
        return self._shows and (self.alg_render or shows_thoughts(self.record_files))

    def _make_environment(self) -> AlfEnvironment:
        is_drawn = self.window or shows_pictures(self.record_files)
        return create_environment(
            for_evaluation=True,
            num_parallel_environments=self.parallel_play,
            nonparallel=self.parallel_play == 1,
            render_mode="rgb_array" if is_drawn else None,
        )

    def _open_sinks(self, env: AlfEnvironment) -> contextlib.AbstractContextManager[list[Sink]]:
        return open_sinks(
            self.record_files,
            window=self.window,
            fps=env.render_fps,
            sleep_time_per_step=self.sleep_time_per_step,
            report=lambda line: self.report(f"recorded  {line}"),
        )


def _told(error: Exception) -> str:
    """The error in a few lines: what, and where in code that somebody could change."""
    if isinstance(error, AlfError):
        return f"{type(error).__name__}: {error}"
    places = [f"  {place}" for place in last_places(error, 3)]
    return "\n".join([f"{type(error).__name__}: {error}", *places])
