"""Playing a trained policy: load a checkpoint, show episodes, measure them."""

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from absl import logging

from alf.environments.alf_environment import AlfEnvironment
from alf.errors import RenderError, UsageError
from alf.player.auto_panels import AutoPanels, PanelSettings
from alf.player.episodes import Moment, episodes, evaluate_episodes
from alf.player.results import EpisodeResult, mean_and_ci95
from alf.player.showing import show
from alf.player.sinks import Sink, describe_run, takes_pictures
from alf.summary import render
from alf.trainers.checkpoint import Checkpoint, load_fingerprint, load_model, restore_module
from alf.trainers.checkpoint_folder import CheckpointFolder
from alf.trainers.fingerprint import Fingerprint, check_answers
from alf.trainers.old_model import describe_changes, with_its_code
from alf.trainers.policy import Policy
from alf.trainers.random_states import draw_seed, seed_everything
from alf.trainers.verdict import Verdict

Report = Callable[[str], None]


@dataclass(frozen=True)
class SavedModel:
    """A checkpoint and what is in it, before there is a policy to put it into.

    Attributes:
        checkpoint: what the checkpoint says of itself.
        tensors: parameters and buffers by name.
        fingerprint: what the policy answered when it was saved; `None` if that is not there.
        is_overridden: whether this play overrides settings, which can change the answers.
    """

    checkpoint: Checkpoint
    tensors: dict[str, Any]
    fingerprint: Fingerprint | None = None
    is_overridden: bool = False


@dataclass(frozen=True)
class PlayResult:
    """What came out of a play.

    Attributes:
        checkpoint_step: training iterations of the checkpoint.
        snapshot: id of the snapshot that made the checkpoint, or `None`.
        code: `"snapshot"` if this process runs a snapshot's code, else `"current"`.
        fingerprint: whether the policy answers recorded inputs as it did when it was saved.
        episodes: results of the episodes that were played to their end.
        steps_per_s: environment steps a second, pictures and recordings included.
        fps: frames a second that the environment is meant to be shown at.
    """

    checkpoint_step: int
    snapshot: str | None
    code: str
    fingerprint: Verdict
    episodes: Sequence[EpisodeResult]
    steps_per_s: float
    fps: float

    @property
    def mean_return(self) -> float | None:
        """Average return; `None` if no episode was played to its end."""
        return mean_and_ci95([e.ret for e in self.episodes])[0] if self.episodes else None

    @property
    def ci95(self) -> float | None:
        """Half the width of the 95 % interval of the average; `None` below two episodes."""
        return mean_and_ci95([e.ret for e in self.episodes])[1] if self.episodes else None

    def as_dict(self) -> dict[str, Any]:
        """The report, as plain data."""
        return {
            "checkpoint_step": self.checkpoint_step,
            "snapshot": self.snapshot,
            "code": self.code,
            "fingerprint": self.fingerprint.word,
            "episodes": [episode.as_dict() for episode in self.episodes],
            "mean_return": self.mean_return,
            "ci95": self.ci95,
            "steps_per_s": self.steps_per_s,
            "fps": self.fps,
        }


def open_model(root_dir: str | Path, checkpoint_step: int | str = "latest") -> SavedModel:
    """Reads a checkpoint's model.

    Args:
        root_dir: the job's folder.
        checkpoint_step: training iterations of the checkpoint, or `"latest"`.

    Raises:
        CheckpointError: there is no such checkpoint, or it is damaged.
    """
    wanted = None if checkpoint_step == "latest" else int(checkpoint_step)
    checkpoint = CheckpointFolder(root_dir).open(wanted)
    recorded = load_fingerprint(checkpoint)
    fingerprint = None if recorded is None else Fingerprint.from_dict(recorded)
    return SavedModel(checkpoint, load_model(checkpoint), fingerprint)


def play(  # noqa: PLR0913 - each is a choice of the user's, named after its flag
    root_dir: str | Path,
    env: AlfEnvironment,
    policy: Policy,
    checkpoint_step: int | str | SavedModel = "latest",
    num_episodes: int = 10,
    *,
    sinks: Sequence[Sink] = (),
    seed: int | None = None,
    last_step_repeats: int = 0,
    append_blank_frames: int = 0,
    selective: Callable[[str], bool] | None = None,
    ignored_parameter_prefixes: Sequence[str] = (),
    show_panels: bool = True,
    report: Report = logging.info,
) -> PlayResult:
    """Plays whole episodes with a checkpoint of a job, and says how they went.

    With sinks, or with one environment, episodes are played one after the other, each with a seed
    of its own. A batch of environments is played at once, without pictures.

    Args:
        root_dir: the job's folder.
        env: made for evaluation; with `render_mode="rgb_array"` if a sink takes pictures.
        policy: of the job's configuration; gets the checkpoint's parameters.
        checkpoint_step: training iterations of the checkpoint, or `"latest"`, or what
            `open_model` read where that was done already.
        num_episodes: how many to play, above 0.
        sinks: what takes the frames, from `alf.player.sinks.open_sinks`.
        seed: episode `i` gets `seed + i`; `None` draws one, which is reported.
        last_step_repeats: how often the last frame of each episode is shown again.
        append_blank_frames: blank frames after each episode.
        selective: asked about each episode, by a line that describes it, whether to record it:
            the episode is played once to see, and once more into the sinks if so.
        ignored_parameter_prefixes: names of parameters that begin so keep their first values.
        show_panels: whether frames have panels beside them while rendering is enabled; a recording
            of numbers enables it for what policies say only then.
        report: gets the lines that tell the user how it goes.

    Raises:
        CheckpointError: there is no such checkpoint, it is damaged, or it does not fit the policy.
        UsageError: sinks for a batch of environments.
    """
    given = checkpoint_step
    saved = given if isinstance(given, SavedModel) else open_model(root_dir, given)
    checkpoint = saved.checkpoint
    where = f"'{checkpoint.path}'"
    restore_module(policy, saved.tensors, where, tuple(ignored_parameter_prefixes))
    seed = draw_seed() if seed is None else seed
    _report_start(report, Path(root_dir), checkpoint, seed)
    verdict = check_answers(policy, env, saved.fingerprint)
    _report_proof(report, Path(root_dir), saved, verdict)
    describe_run(sinks, _header(Path(root_dir), checkpoint, verdict))
    policy.eval()
    seed_everything(seed)
    started = time.perf_counter()
    if env.batch_size > 1:
        if sinks:
            raise UsageError(
                f"{env.batch_size} environments at once have no single picture to show: "
                "leave out --parallel_play, or --record_file and --render."
            )
        results = _play_batch(env, policy, num_episodes, seed)
    else:
        draws = bool(sinks) and show_panels and render.is_rendering_enabled()
        settings = PanelSettings()
        panels = _auto_panels(env, settings, report) if draws else None
        one_by_one = _Player(
            env, policy, sinks, last_step_repeats, append_blank_frames, report, panels, show_panels
        )
        with render.themed(settings.theme):
            if selective is None:
                results = one_by_one.play(num_episodes, seed)
            else:
                results = one_by_one.play_selected(num_episodes, seed, selective)
    seconds = time.perf_counter() - started
    steps = sum(result.length for result in results)
    code = "snapshot" if os.environ.get("ALF_SNAPSHOT") else "current"
    played = PlayResult(
        checkpoint.iteration,
        checkpoint.snapshot,
        code,
        verdict,
        tuple(results),
        steps / seconds,
        env.render_fps,
    )
    _report_end(report, played)
    return played


def write_report(path: str | Path, result: Mapping[str, Any]) -> None:
    """Writes a result as JSON, whole or not at all.

    Args:
        path: the file; folders that are missing are made.
        result: plain data, as `as_dict` of a result gives it.

    Raises:
        RenderError: the file cannot be written.
    """
    path = Path(path).expanduser()
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(result, indent=2) + "\n")
        partial.replace(path)
    except OSError as error:
        raise RenderError(f"The report {path} cannot be written: {error.strerror}.") from error


@dataclass(frozen=True)
class _Player:
    """Plays episodes in one environment into sinks."""

    env: AlfEnvironment
    policy: Policy
    sinks: Sequence[Sink]
    last_step_repeats: int
    append_blank_frames: int
    report: Report
    auto_panels: AutoPanels | None = None
    show_panels: bool = True

    def play(self, num_episodes: int, seed: int) -> list[EpisodeResult]:
        return self._show(self.sinks, num_episodes, seed, self._report_episode)

    def play_selected(
        self, num_episodes: int, seed: int, selective: Callable[[str], bool]
    ) -> list[EpisodeResult]:
        """Plays each episode to see, then once more, with the same seed, if it was chosen."""
        results: list[EpisodeResult] = []
        for episode_seed in range(seed, seed + num_episodes):
            seen = self._show((), 1, episode_seed, None)
            results += seen
            line = f"episode {len(results)}: {seen[0]} (seed {episode_seed})"
            if not selective(line):
                continue
            again = self._show(self.sinks, 1, episode_seed, None)
            if again and again != seen:
                logging.warning(
                    "The recorded episode ended otherwise (%s): with the same seed, this "
                    "environment or policy does not do the same twice.",
                    again[0],
                )
        return results

    def _show(
        self,
        sinks: Sequence[Sink],
        num_episodes: int,
        seed: int,
        on_result: Callable[[Moment], None] | None,
    ) -> list[EpisodeResult]:
        moments = episodes(
            self.env,
            self.policy.predict_step,
            self.policy.initial_state(1),
            num_episodes,
            seed=seed,
            render=takes_pictures(sinks),
        )
        if not self.show_panels:
            moments = (replace(moment, panels={}) for moment in moments)
        return show(
            moments,
            sinks,
            last_step_repeats=self.last_step_repeats,
            append_blank_frames=self.append_blank_frames,
            on_result=on_result,
            auto_panels=self.auto_panels,
        )

    def _report_episode(self, moment: Moment) -> None:
        width = len(str(moment.num_episodes))
        self.report(f"episode   {moment.episode + 1:>{width}}: {moment.result}")


def _auto_panels(env: AlfEnvironment, settings: PanelSettings, report: Report) -> AutoPanels:
    """Draws what a policy does not draw itself."""
    return AutoPanels(env.action_spec(), env.observation_spec(), settings, report)


def _play_batch(
    env: AlfEnvironment, policy: Policy, num_episodes: int, seed: int
) -> list[EpisodeResult]:
    state = policy.initial_state(env.batch_size)
    return evaluate_episodes(env, policy.predict_step, state, num_episodes, seed=seed)


def _header(root_dir: Path, checkpoint: Checkpoint, verdict: Verdict) -> dict[str, str]:
    """What a recording says of the run that it shows."""
    whose = "the snapshot's" if os.environ.get("ALF_SNAPSHOT") else "today's"
    return {
        "job": root_dir.name,
        "checkpoint": f"{checkpoint.name}, {checkpoint.env_steps:,} environment steps",
        "snapshot": checkpoint.snapshot or "none",
        "code": whose,
        "fingerprint": f"{verdict.word}: {verdict.told}",
        "versions": f"Python {platform.python_version()}, torch {torch.__version__}",
    }


def _report_start(report: Report, root_dir: Path, checkpoint: Checkpoint, seed: int) -> None:
    by = f"by snapshot {checkpoint.snapshot}" if checkpoint.snapshot else "no snapshot"
    package = Path(sys.modules["alf"].__file__ or "alf").parent
    whose = "the snapshot's" if os.environ.get("ALF_SNAPSHOT") else "today's"
    report(f"model     {checkpoint.name} of {root_dir}")
    steps = f"{checkpoint.env_steps:,} environment steps"
    recorded = f"{checkpoint.iteration:,} iterations on recorded data"
    report(f"trained   {steps if checkpoint.env_steps else recorded}, {by}")
    report(f"code      {whose}, from {package}")
    report(f"seed      {seed}")


def _report_proof(report: Report, root_dir: Path, saved: SavedModel, verdict: Verdict) -> None:
    checkpoint = saved.checkpoint
    report(f"proof     fingerprint {verdict.word}: {verdict.told}")
    if verdict.word != "differs":
        return
    if saved.is_overridden:
        report("changed   settings, by the flags of this play, which alone can change the answers")
        return
    if checkpoint.snapshot is None or os.environ.get("ALF_SNAPSHOT"):
        return
    for line in describe_changes(root_dir, checkpoint.snapshot):
        report(line)
    report(f"as then   {with_its_code(root_dir, checkpoint.iteration)}")


def _report_end(report: Report, result: PlayResult) -> None:
    count = len(result.episodes)
    if not count:
        report("done      no episode was played to its end")
        return
    interval = "" if result.ci95 is None else f" ± {result.ci95:.2f} (95 %)"
    plural = "episode" if count == 1 else "episodes"
    report(
        f"done      average return {result.mean_return:.2f}{interval} over {count} {plural}, "
        f"{result.steps_per_s:,.0f} steps/s"
    )
