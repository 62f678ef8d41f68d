"""What a training job is told besides its algorithm and its environment."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from alf._config import configurable
from alf._config.settled import Settled, no_matter, settled
from alf.algorithms.algorithm import Algorithm
from alf.errors import ConfigError
from alf.replay import Source
from alf.transforms import DataTransformer

_HERE = "the rollout runs in the training process"

_ALONE = (
    "training is either from recorded episodes or in the environment: to go on in the environment, "
    "resume the job with --conf_param=TrainerConfig.offline_buffer_dir=None"
)

_SETTLED = {
    "ml_type": Settled("rl", "this framework trains by reinforcement only"),
    "async_unroll": Settled(False, _HERE),
    "max_unroll_length": no_matter(0),  # of asynchronous unrolls, like the next three
    "unroll_queue_size": no_matter(200),
    "unroll_step_interval": no_matter(0),
    "unroll_parameter_update_period": no_matter(10),
    "use_root_inputs_for_after_train_iter": Settled(
        True, "after_train_iter is given the time steps of the unroll"
    ),
    "use_rollout_state": no_matter(False),  # only algorithms without memory use a replay buffer
    "temporally_independent_train_step": no_matter(None),  # so whenever there is no memory
    "mask_out_loss_for_last_step": Settled(
        True, "the action at the end of an episode never counts"
    ),
    "sync_progress_to_envs": Settled(
        False, "environments know no progress; give schedulers to what runs in this process"
    ),
    "confirm_checkpoint_upon_crash": no_matter(True),  # nothing is asked
    "no_thread_env_for_conf": no_matter(False),
    "eval_uncertainty": Settled(False, "play reports confidence intervals: see --report_file"),
    "async_eval": no_matter(True),  # evaluation runs between two iterations
    "update_counter_every_mini_batch": Settled(
        False, "the global counter counts training iterations"
    ),
    "summary_max_queue": no_matter(10),  # summaries_flush_secs alone says when they are written
    "profiling": Settled(False, "run the command under a profiler such as py-spy"),
    "enable_amp": Settled(False, "networks compute in float32"),
    "code_snapshots": Settled(None, "the whole code is captured; see `alf snapshot show`"),
    "summarize_gradient_noise_scale": Settled(
        False, "summarize_grads_and_vars writes histograms of the gradients"
    ),
    "summarize_output": Settled(
        False, "set debug_summaries and summarize_action_distributions instead"
    ),
    "rl_train_after_update_steps": Settled(0, _ALONE),
    "rl_train_every_update_steps": Settled(1, _ALONE),
    "empty_cache": no_matter(False),  # memory is allocated once and used again
    "visualize_alf_tree": Settled(False, "print the algorithm: it is a torch module"),
}


@configurable
@settled(**_SETTLED)
@dataclass(frozen=True, kw_only=True)
class TrainerConfig:
    """Settings of a training job.

    How long: training stops at `num_iterations`, or at `num_env_steps` where that is above 0.

    Some parameters that are not listed here are known to confs (`async_unroll`, `enable_amp`, ...).
    They may be given the value that says what happens here anyway; another is an error that tells
    what to do instead.

    Attributes:
        root_dir: the job's folder.
        conf_file: the conf that the job was started with, for messages.

        algorithm_ctor: called as `algorithm_ctor(observation_spec=, action_spec=, reward_spec=,
            config=)`.
        data_transformer_ctor: a transformer's constructor or a list of them, applied in order to
            what the environment gives; `None` for none.
        random_seed: seed of everything random; `None` draws one, which is reported and recorded.

        num_iterations: total of training iterations, above 0; may be 0 with `num_env_steps`.
        num_env_steps: total of environment steps over all environments; 0 leaves it to
            `num_iterations`.
        unroll_length: environment steps of each environment an iteration, above 0.
        unroll_with_grad: compute gradients through the rollout instead of a batched pass after it.

        num_updates_per_train_iter: for an algorithm that is not on-policy: updates of an
            iteration, or, with `whole_replay_buffer_training`, epochs over what was collected.
        mini_batch_size: steps (or sequences) of one update; `None` takes all there is.
        mini_batch_length: consecutive steps of a sequence sampled from the replay buffer, at least
            2; `None` is 2. With more, targets look several steps ahead.
        whole_replay_buffer_training: train on all of the newest unroll in shuffled minibatches;
            else on samples from a replay buffer.
        clear_replay_buffer: with `whole_replay_buffer_training`, each unroll is used in one
            iteration alone, which is the only way it is done here.
        initial_collect_steps: environment steps to collect before the first update.
        replay_buffer_length: steps of each environment that the replay buffer holds.
        priority_replay: sample by priority (https://arxiv.org/abs/1511.05952).
        priority_replay_alpha: how strongly priorities count, in `[0, 1]`.
        priority_replay_beta: how far the bias of sampling by priority is corrected, in `[0, 1]`.
        priority_replay_eps: added to each priority.
        normalize_importance_weights_by_max: divide the weights of a batch, which make up for
            sampling by priority, by the largest of them.
        replay_checkpoints: how many of the newest checkpoints keep their replay buffer.

        offline_buffer_dir: recorded episodes to learn from, instead of stepping the environments,
            which then serve evaluation alone: the path of an `.npz` file (`alf play --record_file`
            and `alf.replay.write_episodes` write such), of a folder of them, of a checkpoint that
            has a replay buffer, `"minari:<data set>"`, a function that gives each
            `alf.replay.Episode`, or a list of any of these. An iteration is
            `num_updates_per_train_iter` updates on samples, as from a replay buffer.
        offline_buffer_length: of each entry of `offline_buffer_dir` at most so many time steps,
            the last ones; `None` for all.

        compile: compute losses, gradients and steps by a program that torch's compiler makes. That
            takes some ten seconds at the start and a C++ compiler, and pays for long jobs.

        ddp_paras_check_interval: training in several processes, check every so many iterations that
            all have the same parameters, bit for bit; 0 checks that before checkpoints alone.

        num_checkpoints: how many checkpoints to write, evenly spaced, and to keep: beyond that the
            oldest goes, never the newest or the best. The last iteration always writes one; 0
            writes only that.
        fingerprint_steps: at each checkpoint so many steps of one seeded episode are recorded, in
            an environment of their own, so that play can prove that it runs the policy as it was;
            0 records none.
        evaluate: whether to evaluate the greedy policy while training.
        eval_interval: iterations between two evaluations.
        num_evals: how many evaluations, evenly over `num_iterations`; replaces `eval_interval`
            unless it is `None`.
        num_eval_episodes: episodes of one evaluation.
        num_eval_environments: environments that evaluation steps at once.
        epsilon_greedy: probability of a sampled action in play and evaluation, in `[0, 1]`.

        summary_interval: iterations between two summaries.
        num_summaries: how many summaries, evenly over `num_iterations`; replaces
            `summary_interval` unless it is `None`.
        summarize_first_interval: also summarise each of the first `summary_interval` iterations.
        summaries_flush_secs: at most so many seconds until TensorBoard can see a summary.
        metric_min_buffer_size: average return and length run over at least so many episodes.
        debug_summaries: write summaries that only a developer needs.
        summarize_grads_and_vars: write histograms of parameters and their gradients.
        summarize_action_distributions: write histograms of actions and the policy's entropy.
    """

    root_dir: str
    conf_file: str = ""

    algorithm_ctor: Callable[..., Algorithm] | None = None
    data_transformer_ctor: (
        Callable[..., DataTransformer] | Sequence[Callable[..., DataTransformer]] | None
    ) = None
    random_seed: int | None = None

    num_iterations: int = 1000
    num_env_steps: int = 0
    unroll_length: int = 8
    unroll_with_grad: bool = False

    num_updates_per_train_iter: int = 4
    mini_batch_size: int | None = None
    mini_batch_length: int | None = None
    whole_replay_buffer_training: bool = True
    clear_replay_buffer: bool = True
    initial_collect_steps: int = 0
    replay_buffer_length: int = 1024
    priority_replay: bool = False
    priority_replay_alpha: float | Callable[[], float] = 0.7
    priority_replay_beta: float | Callable[[], float] = 0.4
    priority_replay_eps: float = 1e-6
    normalize_importance_weights_by_max: bool = False
    replay_checkpoints: int = 2

    offline_buffer_dir: Source | Sequence[Source] | None = None
    offline_buffer_length: int | None = None

    compile: bool = False

    ddp_paras_check_interval: int = 0

    num_checkpoints: int = 10
    fingerprint_steps: int = 64
    evaluate: bool = False
    eval_interval: int = 10
    num_evals: int | None = None
    num_eval_episodes: int = 10
    num_eval_environments: int = 1
    epsilon_greedy: float = 0.0

    summary_interval: int = 50
    num_summaries: int | None = None
    summarize_first_interval: bool = True
    summaries_flush_secs: int = 1
    metric_min_buffer_size: int = 10
    debug_summaries: bool = False
    summarize_grads_and_vars: bool = False
    summarize_action_distributions: bool = False

    def __post_init__(self) -> None:
        self._spread("num_evals", "eval_interval")
        self._spread("num_summaries", "summary_interval")
        self._check_numbers()
        if not 0 <= self.epsilon_greedy <= 1:
            self._refuse("epsilon_greedy", "a probability between 0 and 1")
        if self.offline_buffer_dir is not None and self.num_env_steps:
            raise ConfigError(
                f"TrainerConfig.num_env_steps is {self.num_env_steps}, and training from recorded "
                f"episodes (offline_buffer_dir) takes no environment step: set num_iterations"
            )
        if self.algorithm_ctor is None:
            raise ConfigError(
                "the conf does not say which algorithm to train: add for example\n"
                "  alf.config('TrainerConfig', algorithm_ctor=functools.partial(\n"
                "      ActorCriticAlgorithm, optimizer=alf.optimizers.Adam(lr=1e-3)))"
            )

    def _check_numbers(self) -> None:
        positive = ("unroll_length", "eval_interval", "summary_interval", "replay_buffer_length")
        if not self.num_env_steps:
            positive = ("num_iterations", *positive)
        for name in (*positive, "num_eval_episodes", "num_eval_environments"):
            if getattr(self, name) < 1:
                self._refuse(name, "a number of at least 1")
        for name in ("mini_batch_size", "mini_batch_length"):
            value = getattr(self, name)
            if value is not None and value < 1:
                self._refuse(name, "a number of at least 1, or None")
        for name in (
            "num_env_steps",
            "num_updates_per_train_iter",
            "initial_collect_steps",
            "replay_checkpoints",
            "num_checkpoints",
            "fingerprint_steps",
            "ddp_paras_check_interval",
            "metric_min_buffer_size",
        ):
            if getattr(self, name) < 0:
                self._refuse(name, "a number of at least 0")

    def _spread(self, count_name: str, interval_name: str) -> None:
        """Let a number of events over the whole training say how many iterations lie between."""
        count = getattr(self, count_name)
        if count is None:
            return
        if count < 1:
            self._refuse(count_name, f"a number of at least 1, or {interval_name}")
        if self.num_env_steps:
            raise ConfigError(
                f"TrainerConfig.{count_name} is {count!r}, and num_env_steps does not say how many "
                f"iterations there will be: set {interval_name}"
            )
        object.__setattr__(self, interval_name, max(1, self.num_iterations // count))

    def _refuse(self, name: str, wanted: str) -> None:
        raise ConfigError(f"TrainerConfig.{name} is {getattr(self, name)!r}: give {wanted}")
