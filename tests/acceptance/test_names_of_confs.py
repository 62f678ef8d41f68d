"""The names that confs are written in: each parameter can be set, or says what to use instead.

`NAMES` records what confs know: names, parameters, and those defaults that are Python literals.
"""

import ast
import importlib
import math
import subprocess
import sys
from collections.abc import Iterator

import pytest

import alf
from alf._config import moved
from alf._config.origin import COMMAND_LINE
from alf._config.parameters import MISSING
from alf._config.settled import Settled
from alf._config.store import current
from alf.errors import ConfigError

NAMES = """
create_environment
    env_name='CartPole-v0' env_load_fn eval_env_load_fn=None for_evaluation=False
    num_parallel_environments=30 batch_size_per_env=None eval_batch_size_per_env=None
    nonparallel=False flatten=True start_serially=True num_spare_envs=0
    torch_num_threads_per_env=1 parallel_environment_ctor seed=None batched_wrappers=()
suite_gym.load
    environment_name env_id=None discount=1.0 max_episode_steps=None gym_env_wrappers=()
    alf_env_wrappers=() image_channel_first=True
wrap_env
    gym_env env_id=None discount=1.0 max_episode_steps=0 gym_env_wrappers=() time_limit_wrapper
    normalize_action=True clip_action=True alf_env_wrappers=() image_channel_first=True
    auto_reset=True
TrainerConfig
    root_dir conf_file='' ml_type='rl' algorithm_ctor=None data_transformer_ctor=None
    random_seed=None num_iterations=1000 num_env_steps=0 unroll_length=8 unroll_with_grad=False
    use_root_inputs_for_after_train_iter=True async_unroll=False max_unroll_length=0
    unroll_queue_size=200 unroll_step_interval=0 unroll_parameter_update_period=10
    use_rollout_state=False temporally_independent_train_step=None
    mask_out_loss_for_last_step=True sync_progress_to_envs=False num_checkpoints=10
    confirm_checkpoint_upon_crash=True no_thread_env_for_conf=False evaluate=False num_evals=None
    eval_interval=10 epsilon_greedy=0.0 eval_uncertainty=False num_eval_episodes=10
    num_eval_environments=1 async_eval=True ddp_paras_check_interval=0 num_summaries=None
    summary_interval=50 summarize_first_interval=True update_counter_every_mini_batch=False
    summaries_flush_secs=1 summary_max_queue=10 metric_min_buffer_size=10 debug_summaries=False
    profiling=False enable_amp=False code_snapshots=None summarize_grads_and_vars=False
    summarize_gradient_noise_scale=False summarize_action_distributions=False
    summarize_output=False initial_collect_steps=0 num_updates_per_train_iter=4
    mini_batch_length=None mini_batch_size=None whole_replay_buffer_training=True
    replay_buffer_length=1024 priority_replay=False priority_replay_alpha=0.7
    priority_replay_beta=0.4 priority_replay_eps=1e-06 offline_buffer_dir=None
    offline_buffer_length=None rl_train_after_update_steps=0 rl_train_every_update_steps=1
    empty_cache=False normalize_importance_weights_by_max=False clear_replay_buffer=True
    visualize_alf_tree=False
ActorCriticAlgorithm
    observation_spec action_spec reward_spec reward_weights=None actor_network_ctor
    value_network_ctor epsilon_greedy=None env=None config=None loss=None loss_class
    optimizer=None checkpoint=None debug_summaries=False name='ActorCriticAlgorithm'
ActorCriticLoss
    gamma=0.99 td_error_loss_fn use_gae=False td_lambda=0.95 use_td_lambda_return=True
    normalize_advantages=False advantage_clip=None entropy_regularization=None td_loss_weight=1.0
    debug_summaries=False name='ActorCriticLoss'
PPOLoss
    gamma=0.99 td_error_loss_fn td_lambda=0.95 normalize_advantages=True
    compute_advantages_internally=False advantage_clip=None entropy_regularization=None
    td_loss_weight=1.0 importance_ratio_clipping=0.2 log_prob_clipping=0.0 check_numerics=False
    debug_summaries=False name='PPOLoss'
SacAlgorithm
    observation_spec action_spec reward_spec actor_network_cls critic_network_cls q_network_cls
    repr_alg_ctor=None reward_weights=None epsilon_greedy=None use_entropy_reward=True
    normalize_entropy_reward=False calculate_priority=False num_critic_replicas=2 env=None
    config=None critic_loss_ctor=None target_entropy=None prior_actor_ctor=None
    target_kld_per_dim=3.0 initial_log_alpha=0.0 max_log_alpha=None target_update_tau=0.05
    target_update_period=1 parameter_reset_period=-1 dqda_clipping=None actor_optimizer=None
    critic_optimizer=None alpha_optimizer=None checkpoint=None debug_summaries=False
    reproduce_locomotion=False name='SacAlgorithm'
DqnAlgorithm
    observation_spec action_spec reward_spec q_network_cls q_optimizer=None
    rollout_epsilon_greedy=0.1 target_net_target_action=True num_critic_replicas=2 env=None
    config=None critic_loss_ctor=None checkpoint=None debug_summaries=False name='DqnAlgorithm'
DdpgAlgorithm
    observation_spec action_spec reward_spec actor_network_ctor critic_network_ctor
    reward_weights=None epsilon_greedy=None calculate_priority=False env=None config=None
    ou_stddev=0.2 ou_damping=0.15 critic_loss_ctor=None num_critic_replicas=1
    target_update_tau=0.05 target_update_period=1 rollout_random_action=0.0 dqda_clipping=None
    action_l2=0 actor_optimizer=None critic_optimizer=None checkpoint=None debug_summaries=False
    name='DdpgAlgorithm'
TracAlgorithm
    observation_spec action_spec reward_spec env=None config=None ac_algorithm_cls
    action_dist_clip_per_dim=0.01 checkpoint=None debug_summaries=False name='TracAlgorithm'
Agent
    observation_spec action_spec reward_spec env=None config=None rl_algorithm_cls
    reward_weight_algorithm_cls=None representation_learner_cls=None
    representation_use_rl_state=False goal_generator=None intrinsic_reward_module=None
    intrinsic_reward_coef=1.0 extrinsic_reward_coef=1.0 enforce_entropy_target=False
    entropy_target_cls=None optimizer=None debug_summaries=False name='AgentAlgorithm'
TDLoss
    gamma=0.99 td_error_loss_fn td_lambda=0.95 normalize_target=False debug_summaries=False
    name='TDLoss'
OneStepTDLoss
    gamma=0.99 td_error_loss_fn debug_summaries=False name='OneStepTDLoss'
SequentialDataTransformer
    data_transformer_ctors observation_spec
FrameStacker
    observation_spec stack_size=4 stack_axis=0 fields=None
ImageScaleTransformer
    observation_spec min=-1.0 max=1.0 fields=None
ObservationNormalizer
    observation_spec fields=None clipping=0.0 window_size=10000 update_rate=0.0001 speed=8.0
    zero_mean=True update_mode='replay' mode='adaptive'
RewardClipping
    observation_spec=() minmax=(-1,1)
RewardNormalizer
    observation_spec=() normalizer=None update_max_calls=0 clip_value=-1.0 update_mode='replay'
HindsightExperienceTransformer
    observation_spec her_proportion=0.8
    achieved_goal_field='time_step.observation.achieved_goal'
    desired_goal_field='time_step.observation.desired_goal' reward_fn
RewardScaling
    scale observation_spec=()
RewardShifting
    bias observation_spec=()
UntransformedTimeStep
    observation_spec=None fields_to_keep=None
ActorDistributionNetwork
    input_tensor_spec action_spec input_preprocessors=None input_preprocessors_ctor=None
    preprocessing_combiner=None conv_layer_params=None fc_layer_params=None activation
    kernel_initializer=None use_fc_bn=False use_fc_ln=False discrete_projection_net_ctor
    continuous_projection_net_ctor name='ActorDistributionNetwork'
ActorDistributionRNNNetwork
    input_tensor_spec action_spec input_preprocessors=None preprocessing_combiner=None
    conv_layer_params=None fc_layer_params=None lstm_hidden_size=100 actor_fc_layer_params=None
    activation kernel_initializer=None discrete_projection_net_ctor continuous_projection_net_ctor
    name='ActorRNNDistributionNetwork'
ActorNetwork
    input_tensor_spec action_spec input_preprocessors=None preprocessing_combiner=None
    conv_layer_params=None fc_layer_params=None activation squashing_func kernel_initializer=None
    name='ActorNetwork'
ValueNetwork
    input_tensor_spec output_tensor_spec input_preprocessors=None input_preprocessors_ctor=None
    preprocessing_combiner=None conv_layer_params=None fc_layer_params=None activation
    kernel_initializer=None use_fc_bn=False use_fc_ln=False name='ValueNetwork'
QRNNNetwork
    input_tensor_spec action_spec input_preprocessors=None preprocessing_combiner=None
    conv_layer_params=None fc_layer_params=None lstm_hidden_size=100 value_fc_layer_params=None
    activation kernel_initializer=None use_naive_parallel_network=False name='QRNNNetwork'
CriticRNNNetwork
    input_tensor_spec output_tensor_spec observation_input_processors=None
    observation_preprocessing_combiner=None observation_conv_layer_params=None
    observation_fc_layer_params=None action_input_processors=None
    action_preprocessing_combiner=None action_fc_layer_params=None joint_fc_layer_params=None
    lstm_hidden_size=100 critic_fc_layer_params=None activation kernel_initializer=None
    name='CriticRNNNetwork'
ValueRNNNetwork
    input_tensor_spec output_tensor_spec input_preprocessors=None preprocessing_combiner=None
    conv_layer_params=None fc_layer_params=None lstm_hidden_size=100 value_fc_layer_params=None
    activation kernel_initializer=None name='ValueRNNNetwork'
QNetwork
    input_tensor_spec action_spec input_preprocessors=None preprocessing_combiner=None
    conv_layer_params=None fc_layer_params=None activation kernel_initializer=None
    use_naive_parallel_network=False name='QNetwork'
CriticNetwork
    input_tensor_spec output_tensor_spec observation_input_processors=None
    observation_input_processors_ctor=None observation_preprocessing_combiner=None
    observation_conv_layer_params=None observation_fc_layer_params=None
    action_input_processors=None action_input_processors_ctor=None
    action_preprocessing_combiner=None action_fc_layer_params=None
    observation_action_combiner=None joint_fc_layer_params=None activation kernel_initializer=None
    use_fc_bn=False use_fc_ln=False last_use_fc_bn=False last_use_fc_ln=False
    last_layer_activation use_naive_parallel_network=False name='CriticNetwork'
ImageEncodingNetwork
    input_channels input_size conv_layer_params use_batch_ensemble=False ensemble_size=10
    same_padding=False activation kernel_initializer=None flatten_output=False
    name='ImageEncodingNetwork'
EncodingNetwork
    input_tensor_spec output_tensor_spec=None input_preprocessors=None
    input_preprocessors_ctor=None preprocessing_combiner=None conv_layer_params=None
    fc_layer_params=None activation kernel_initializer=None use_fc_bn=False use_fc_ln=False
    use_batch_ensemble=False ensemble_size=10 input_with_ensemble_ids=False last_layer_size=None
    last_activation=None last_kernel_initializer=None last_use_fc_bn=False last_use_fc_ln=False
    name='EncodingNetwork'
LSTMEncodingNetwork
    input_tensor_spec output_tensor_spec=None input_preprocessors=None preprocessing_combiner=None
    conv_layer_params=None pre_fc_layer_params=None hidden_size=(100,) lstm_output_layers=-1
    post_fc_layer_params=None activation kernel_initializer=None last_layer_size=None
    last_activation=None last_kernel_initializer=None name='LSTMEncodingNetwork'
CategoricalProjectionNetwork
    input_size action_spec fc_ctor logits_init_output_factor=0.1 weight_opt_args=None
    bias_opt_args=None name='CategoricalProjectionNetwork'
NormalProjectionNetwork
    input_size action_spec parallelism=None activation projection_output_init_gain=0.3
    std_bias_initializer_value=0.0 squash_mean=True mean_transform=None state_dependent_std=False
    std_transform scale_distribution=False dist_squashing_transform name='NormalProjectionNetwork'
StableNormalProjectionNetwork
    input_size action_spec parallelism=None activation projection_output_init_gain=1e-05
    squash_mean=True state_dependent_std=False inverse_std_transform='softplus'
    scale_distribution=False init_std=1.0 min_std=0.0 max_std=None dist_squashing_transform
    name='StableNormalProjectionNetwork'
BetaProjectionNetwork
    input_size action_spec parallelism=None activation min_concentration=0.0
    projection_output_init_gain=0.0 bias_init_value=0.541324854612918 grad_clip=0.01
    name='BetaProjectionNetwork'
ConstantScheduler
    value
StepScheduler
    progress_type schedule warm_up_period=0 start=0
LinearScheduler
    progress_type schedule
ExponentialScheduler
    progress_type initial_value decay_rate decay_time
CyclicalScheduler
    progress_type base_lr bound_lr half_cycle_size switch_mode='step'
"""

MOVED = [
    ("alf.algorithms.config", "TrainerConfig"),
    ("alf.algorithms.data_transformer", "HindsightExperienceTransformer"),
    ("alf.algorithms.data_transformer", "ObservationNormalizer"),
    ("alf.algorithms.ppo_algorithm", "PPOLoss"),
    ("alf.environments.alf_wrappers", "TimeLimit"),
    ("alf.environments.fast_parallel_environment", "FastParallelEnvironment"),
    ("alf.environments.utils", "create_environment"),
    ("alf.metrics.metrics", "AverageReturnMetric"),
    ("alf.nest.utils", "NestConcat"),
    ("alf.networks.actor_distribution_networks", "ActorDistributionRNNNetwork"),
    ("alf.networks.critic_networks", "CriticRNNNetwork"),
    ("alf.networks.encoding_networks", "LSTMEncodingNetwork"),
    ("alf.networks.q_networks", "QRNNNetwork"),
    ("alf.networks.value_networks", "ValueRNNNetwork"),
    ("alf.utils", "math_ops"),
    ("alf.utils.dist_utils", "StableTanh"),
    ("alf.utils.dist_utils", "compute_entropy"),
    ("alf.utils.losses", "element_wise_huber_loss"),
    ("alf.utils.losses", "element_wise_squared_loss"),
    ("alf.utils.math_ops", "clipped_exp"),
    ("alf.utils.math_ops", "identity"),
    ("alf.utils.schedulers", "as_scheduler"),
    ("alf.utils.schedulers", "LinearScheduler"),
    ("alf.utils.value_ops", "td_lambda_return"),
]

LEFT_OUT_FROM = {
    "ActorRNNNetwork": "alf.networks.actor_networks",
    "OnehotCategoricalProjectionNetwork": "alf.networks.projection_networks",
    "TruncatedProjectionNetwork": "alf.networks",
    "UnitNormalActorDistributionNetwork": "alf.networks.actor_distribution_networks",
}


def recorded() -> Iterator[tuple[str, str | None]]:
    """Each parameter with its default as text, `None` where that is not a literal."""
    owner = ""
    for line in NAMES.strip().splitlines():
        if not line.startswith(" "):
            owner = line
            continue
        for word in line.split():
            name, has_default, default = word.partition("=")
            yield f"{owner}.{name}", default if has_default else None


PARAMETERS = dict(recorded())


def resolved(name: str) -> str:
    """The full name that a conf's name means."""
    return current().resolve(name, COMMAND_LINE)


def test_the_record_is_whole():
    """Nothing was lost in writing it down."""
    assert 505 == len(PARAMETERS)
    assert "0.541324854612918" == PARAMETERS["BetaProjectionNetwork.bias_init_value"]


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_is_known(name):
    """A conf can set it without having imported anything, or is told what to do instead."""
    full = resolved(name)

    assert full.endswith(f".{name}")
    parameter = current().parameters[full]
    assert parameter.refusal is None or len(parameter.refusal) > 10


@pytest.mark.parametrize("name", [name for name, default in PARAMETERS.items() if default])
def test_a_default_is_what_confs_expect(name):
    """A conf that leaves it out, and one that says the default, mean the same."""
    expected = ast.literal_eval(str(PARAMETERS[name]))
    default = current().parameters[resolved(name)].default_value()

    assert default is not MISSING
    assert expected == default
    alf.config1(name, expected)


SETTLED = [name for name in PARAMETERS if name.split(".")[0] != "suite_gym"]


@pytest.mark.parametrize("name", SETTLED)
def test_a_value_that_is_not_possible_has_a_lesson(name):
    """Every parameter that takes one answer says, for another, what to do instead."""
    annotation = current().parameters[resolved(name)].annotation
    if not isinstance(annotation, Settled) or not annotation.lesson:
        return
    with pytest.raises(ConfigError, match=r"test_names_of_confs.py:\d+: .* is not possible: \w+ ."):
        alf.config1(name, math.nan)


@pytest.mark.parametrize(("module", "name"), MOVED)
def test_old_paths_lead_home(module, name):
    """A name is found where confs import it from."""
    assert getattr(importlib.import_module(module), name) is not None


@pytest.mark.parametrize("name", LEFT_OUT_FROM)
def test_what_is_left_out_says_what_to_use(name):
    """Importing it and setting its parameters are answered alike."""
    lesson = moved.LEFT_OUT[name]
    with pytest.raises(ImportError) as caught:
        getattr(importlib.import_module(LEFT_OUT_FROM[name]), name)
    assert lesson in str(caught.value)

    with pytest.raises(ConfigError) as refused:
        alf.config(name, fc_layer_params=(4,))
    assert lesson in str(refused.value)


def test_an_unknown_name_stays_unknown():
    """A finder for moved modules does not hide a typing error."""
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'alf\.utils\.nothing'"):
        importlib.import_module("alf.utils.nothing")
    with pytest.raises(AttributeError, match=r"'alf\.utils\.losses' has no attribute 'nothing'"):
        importlib.import_module("alf.utils.losses").nothing  # noqa: B018


def test_the_table_of_paths_is_true():
    """Every home is a module, and no path that moved is also there."""
    for old, homes in moved.HOMES.items():
        for home in homes:
            importlib.import_module(home)
        assert getattr(importlib.import_module(old), "__file__", None) is None


def test_attributes_need_no_import_in_a_fresh_process():
    """`import alf` alone is enough for the dotted names that confs write."""
    program = (
        "import alf; alf.environments.suite_gym.load; alf.utils.math_ops.clipped_exp;"
        "alf.algorithms.sac_algorithm.SacAlgorithm; alf.utils.schedulers.LinearScheduler"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_settled_parameter_at_the_call():
    """An argument of a call is checked like a value of a conf, and goes no further."""
    from alf.networks import NormalProjectionNetwork
    from alf.tensor_specs import BoundedTensorSpec

    make = NormalProjectionNetwork
    spec = BoundedTensorSpec((1,), minimum=-1, maximum=1)
    make(4, spec, parallelism=None)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match=r"parallelism' cannot be set: 3 is not possible"):
        make(4, spec, parallelism=3)  # type: ignore[call-arg]
