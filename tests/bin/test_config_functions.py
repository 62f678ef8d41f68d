"""Functions that a conf gives to be called: each wrong one is told of in words of the conf."""

from pathlib import Path

import numpy as np
import pytest

from alf._config import config1, isolated
from alf.bin import train

CONF = """
from functools import partial
from pathlib import Path

import numpy as np
import torch

import alf
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm


class Thing:
    pass


class Half(torch.nn.Module):
    def forward(self, x):
        return 0.5


alf.config("create_environment", env_name="CartPole-v1", num_parallel_environments=1)
alf.config("TrainerConfig", algorithm_ctor=ActorCriticAlgorithm, num_iterations=1, unroll_length=2)
alf.config("ActorDistributionNetwork", fc_layer_params=(4,))
alf.config("ActorCriticAlgorithm", optimizer=alf.optimizers.Adam(lr=1e-3))
"""
LINE = len(CONF.splitlines()) + 1
"""Of what a test adds."""


@pytest.fixture
def told(tmp_path, capsys):
    """Trains with a line more in the conf, and gives what it ends with; refuses a traceback."""

    def train_with(name: str, value: str) -> str:
        conf = tmp_path / "my_conf.py"
        conf.write_text(f"{CONF}alf.config1('{name}', {value})\n")
        given = ["--root_dir", str(tmp_path / "job"), "--conf", str(conf), "--nostore_snapshot"]
        with isolated():
            code = train.main(given)
        lines = capsys.readouterr().err.splitlines()
        start = next(i for i, line in enumerate(lines) if "Error: " in line)

        assert code == (2 if lines[start].startswith(("ConfigError", "UsageError")) else 1)
        return "\n".join(lines[start:]).replace(f"{conf}:{LINE}", "HERE")

    return train_with


LOSS = "ActorCriticLoss.td_error_loss_fn"
WHOLE_LOSS = "ActorCriticAlgorithm.loss"
ACTIVATION = "ActorDistributionNetwork.activation"
STEPS = "ActorDistributionNetwork.input_preprocessors"
COMBINER = "ValueNetwork.preprocessing_combiner"
WRAPPERS = "create_environment.batched_wrappers"
RECORDED = "TrainerConfig.offline_buffer_dir"


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        (LOSS, "torch.relu", "td_error_loss_fn' is relu. It is called with (Tensor [2, 1], Tensor"),
        (LOSS, "max", "' is max. It was called with (Tensor [2, 1], Tensor [2, 1]), and failed: "),
        (LOSS, "partial(max)", "td_error_loss_fn' is partial(max). It was called with (Tensor ["),
        (LOSS, "lambda target, value: None", "which made a NoneType, but must make torch.Tensor."),
        (LOSS, "print", "td_error_loss_fn' is print, which made a NoneType, but must make torch."),
        (LOSS, "torch.nn.functional.mse_loss", "made a tensor of shape [] of targets and values "),
        (LOSS, "torch.nn.MSELoss()", "those of torch do so with reduction='none'"),
        (LOSS, "Half()", "It is called with (Tensor [2, 1], Tensor [2, 1]), but takes (x): "),
        (WHOLE_LOSS, "int", "ActorCriticAlgorithm.loss' is int. It is called with "),
        (WHOLE_LOSS, "lambda info: info", "must make alf.data_structures.LossInfo."),
        (
            WHOLE_LOSS,
            "torch.nn.Identity()",
            "returned a ActorCriticInfo, and must return a LossInfo",
        ),
        (WHOLE_LOSS, "lambda info: alf.data_structures.LossInfo()", "without loss and without"),
        (WHOLE_LOSS, "lambda i: alf.data_structures.LossInfo(3)", "whose loss is a int and whose"),
        (
            ACTIVATION,
            "max",
            "'activation' is max. It was called with (Tensor [2, 4]), and failed: ",
        ),
        (ACTIVATION, "len", "'activation' is len, which made a int, but must make torch.Tensor."),
        (ACTIVATION, "Thing", "'activation' is Thing. It is called with (Tensor [2, 4]), but take"),
        (ACTIVATION, "3", "activation 3 does not fit: it is not a function. Give a function of a "),
        (ACTIVATION, "torch.nn.Threshold", "activation Threshold does not fit: Threshold.__in"),
        (
            ACTIVATION,
            "lambda x: x[:, :1]",
            "activation <lambda> does not fit: of [2, 4] it makes [2, 1]",
        ),
        (ACTIVATION, "Half()", "activation Half() does not fit: of a tensor [2, 4] it makes 0"),
        ("ActorDistributionNetwork.use_fc_bn", "True", "(use_fc_bn) needs more than one row, but "),
        ("ActorDistributionNetwork.fc_layer_params", "torch.ones(())", "fc_layer_params' takes "),
        ("ActorDistributionNetwork.fc_layer_params", "(10**30,)", "give a tuple of positive integ"),
        ("TrainerConfig.unroll_length", "2**40", "there is not enough memory: "),
        (STEPS, "3", "input preprocessor 3 is a int: give a function of a tensor, a module or "),
        (STEPS, "{'position': None}", "is a dict: give a function of a tensor, a module or"),
        (STEPS, "torch.nn.ReLU", "made a ReLU of a tensor of shape [2, 4], and must make a tensor"),
        (
            STEPS,
            "max",
            "'input_preprocessors' is max. It was called with (Tensor [2, 4]), and fail",
        ),
        (STEPS, "len", "made a int of a tensor of shape [2, 4], and must make a tensor [B, ...]"),
        (STEPS, "lambda x: x[0]", "made a tensor of shape [4] of a tensor of shape [2, 4], and"),
        (STEPS, "torch.relu_", "changes its input, which others are to see as it is: give one th"),
        (STEPS, "int", "'input_preprocessors' is int. It was called with (Tensor [2, 4]), and fa"),
        (STEPS, "Half()", "made a float of a tensor of shape [2, 4], and must make a tensor "),
        (COMBINER, "sum", "made a tensor [4] of 2 rows: let it keep the batch, as in [B, ..."),
        (COMBINER, "torch.nn.ModuleList()", "preprocessing_combiner' is ModuleList()"),
        (COMBINER, "lambda nest: 3", "which made a int, but must make torch.Tensor."),
        (WRAPPERS, "[lambda env: None]", "which made a NoneType, but must make alf.environments"),
        (WRAPPERS, "{'a': len}", "takes collections.abc.Sequence[collections.abc.Callable[["),
        (
            "ActorCriticAlgorithm.actor_network_ctor",
            "torch.nn.Identity()",
            "It is called with (inp",
        ),
        (
            "ActorCriticAlgorithm.optimizer",
            "Thing()",
            "takes alf.optimizers.specs.Optimizer | None",
        ),
        ("ActorCriticAlgorithm.optimizer", "[torch.optim.Adam]", "which is list of type."),
        (
            "ActorCriticAlgorithm.optimizer",
            "alf.optimizers.Adam(lr=lambda: 'x')",
            "Adam.lr' is <lambda>, which made a str, but must make float.",
        ),
        (
            "create_environment.env_load_fn",
            "int",
            "env_load_fn' is int. It was called with ('CartP",
        ),
        (RECORDED, "lambda: 3", "which made a int, but must make collections.abc.Iterable[alf"),
        (RECORDED, "lambda: 'x'", "episode 0 of what <lambda>() gives is a str: give an alf.rep"),
        (RECORDED, "lambda: [3]", "is a int: give an alf.replay.Episode(observation, action, "),
        (RECORDED, "max", "offline_buffer_dir' is max. It is called with (), but takes other arg"),
        (
            RECORDED,
            "Half()",
            "offline_buffer_dir' is Half(). It is called with (), but takes (x): ",
        ),
        (RECORDED, "np.zeros(3)", "offline_buffer_dir' takes "),
        (RECORDED, "{'a': 'b'}", "offline_buffer_dir' takes "),
        (RECORDED, "Path('nowhere_at_all')", "nowhere_at_all', which TrainerConfig.offline_buffer"),
        (RECORDED, "'.'", "there is no .npz file and no replay buffer in the folder"),
        (RECORDED, "'x\\0y'", "which has a NUL character: no file and no name can hold it."),
        ("ActorCriticAlgorithm.name", "'a\\ud800'", "half of a surrogate pair: no file and no na"),
        ("create_environment.env_name", "'\\ud800'", "env_name' was given '\\ud800', which has ha"),
        ("create_environment.env_name", "Thing()", "create_environment.env_name' takes str, but "),
        ("ActorCriticLoss.gamma", "torch.nn.Identity()", "gamma' takes a number, but was given Id"),
        ("ActorCriticLoss.gamma", "float('nan')", "gamma' takes a number, but was given nan"),
        ("create_environment.first_environment", "np.float32(0.5)", "takes int, but was given "),
    ],
)
def test_what_is_given_to_be_called(told, name, value, advice):
    """Who set it, what it was called with, and what it takes or must make; never a traceback."""
    assert advice in told(name, value)


def test_the_lesson_begins_where_the_conf_sets_it(told):
    """Also for what is found while training."""
    assert told(LOSS, "torch.relu").startswith("ConfigError: HERE: 'alf.algorithms.actor_critic_l")
    assert told(ACTIVATION, "len").startswith("ConfigError: HERE: 'activation' is len, which made")
    assert told("ActorCriticAlgorithm.name", "'\\ud800'").startswith("ConfigError: HERE: 'alf.")


def test_what_code_of_the_users_raises_stays_its_own(tmp_path, capsys):
    """A bug in the loss itself is shown at its line, not as a function that does not fit."""
    conf = tmp_path / "my_conf.py"
    conf.write_text(f"{CONF}def wrong(a, b):\n    return a + 'x'\nalf.config1('{LOSS}', wrong)\n")
    with isolated():
        code = train.main(["--root_dir", str(tmp_path / "job"), "--conf", str(conf)])
    text = capsys.readouterr().err

    assert code == 1
    assert f'"{conf}", line {LINE + 1}, in wrong' in text
    assert "ConfigError" not in text


def test_a_path_is_its_text_and_a_single_number_a_number():
    """What numpy and pathlib give stands for what it means."""
    from alf._config import get_config_value

    config1("TrainerConfig.offline_buffer_dir", [Path("a"), "b"])
    config1("ActorCriticLoss.gamma", np.float32(0.5))
    config1("TrainerConfig.unroll_length", np.int64(3))
    config1("ActorCriticLoss.td_loss_weight", True)
    sizes = [8, 8]
    config1("ValueNetwork.fc_layer_params", sizes)

    assert get_config_value("ValueNetwork.fc_layer_params") is sizes
    assert type(get_config_value("ActorCriticLoss.td_loss_weight")) is float
    assert get_config_value("TrainerConfig.offline_buffer_dir") == ["a", "b"]
    assert type(get_config_value("ActorCriticLoss.gamma")) is float
    assert type(get_config_value("TrainerConfig.unroll_length")) is int
