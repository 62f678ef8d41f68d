"""Overrides name what computes or builds; no way leads from them to the system."""

import importlib
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import alf
from alf._config import parse_value
from alf._config.allowed import MODULES
from alf.errors import ConfigError

GOOD = [
    *("torch.relu", "torch.relu_", "torch.nn.ReLU", "torch.nn.functional.softplus"),
    *("torch.nn.functional.relu_", "torch.nn.functional.conv2d", "torch.nn.functional.max_pool2d"),
    *("torch.nn.modules.activation.ReLU", "partial(torch.nn.init.orthogonal_, gain=0.1)"),
    *("torch.optim.Adam", "torch.float32", "torch.inf", "torch.device('cpu')", "torch.linalg.norm"),
    *(
        "torch.tensor([2, 1]).to(torch.float32)",
        "torch.einsum",
        "torch.fft.fft",
        "torch.Tensor.tanh",
    ),
    *("torch.distributions.transforms.TanhTransform", "torch.special.expit", "torch.Size([2, 3])"),
    *("np.float32(3)", "np.pi", "np.array([1]).astype(np.float32)", "np.maximum.reduce([1, 2])"),
    *("np.linspace(0, 1, 5).tolist()", "list(np.logspace(-4, -2, 3))", "math.log(3)"),
    *("functools.partial(pow, 2)", "sorted([1, 2], key=lambda v: -v)", "'a b'.split()"),
    *("alf.optimizers.Adam(lr=1e-3)", "alf.networks.ActorDistributionNetwork", "f'{math.pi}'"),
    *("alf.algorithms.sac_algorithm.SacAlgorithm", "alf.utils.math_ops.identity"),
    *("alf.utils.losses.element_wise_squared_loss", "alf.environments.suite_gym.load"),
    "alf.schedulers.LinearScheduler('percent', [(0, 1.0), (1, 0.1)])",
    "alf.environments.parallel_environment.ParallelAlfEnvironment",
    "alf.environments.bit_flipping.bits_reward",
    "partial(alf.environments.suite_gym.load, max_episode_steps=9)",
    "[partial(alf.environments.suite_gym.load), alf.environments.suite_gym.load]",
    *("alf.TensorSpec((3,)).shape", "alf.data_structures.StepType.FIRST", "alf.nest.map_structure"),
    *("lambda x: x.clamp(-1, 1).tanh()", "lambda spec: spec.shape", "{'a': 1}.get('a')"),
    *("lambda step: step.observation['a'].float()", "{**{'a': torch.relu}}"),
]
BAD = [
    *("torch.os.mkdir('x')", "torch.load", "torch.save", "torch.hub.load('a', 'b')", "torch._C"),
    *("torch.utils.cpp_extension.load", "torch.from_file", "torch.ops.load_library('x')"),
    *("torch.nn.functional.torch.load", "torch.nn.functional.warnings.sys.modules"),
    *("torch.jit.load", "torch.serialization.load", "torch.multiprocessing.spawn", "torch.compile"),
    *("torch.tensor([1]).storage()", "torch.Tensor.storage", "torch.optim.Adam.load_state_dict"),
    *("torch.tensor([1]).untyped_storage().from_file('x', True, 3)", "f'{torch.os}'"),
    *("np.load", "np.save('x', 1)", "np.fromfile", "np.memmap", "np.f2py", "np.ctypeslib"),
    *("np.lib.format", "np.array([1]).tofile('x')", "np.array([1]).dump('x')"),
    *("alf._config.overrides.importlib.import_module('os')", "alf.import_config('x')"),
    *("alf.load_config('x')", "alf.config", "alf.pre_config({'a': 1})", "alf.importlib"),
    *("alf.config_util.load_config", "alf.summary.create_summary_writer", "alf.testing"),
    *("alf.trainers.checkpoint.CheckpointFolder", "alf.replay.saving", "alf.player"),
    *("alf.environments.suite_gym.importlib", "alf.environments.environment_worker.run_worker"),
    *("alf.environments.process_environment.pickle.loads", "alf.networks.layers.nn"),
    *("partial(alf.import_config, 'x')", "partial(pow).func", "functools.namedtuple"),
    *("(x for x in []).gi_frame.f_builtins", "(lambda: 1).f_x", "'{0.a}'.format(1)", "alf.nest._x"),
    *("lambda: torch.os", "lambda x: x.os", "lambda torch: torch.relu", "[0 for math.pi in [1]]"),
    *(
        "alf.environments.suite_gym.load('os:X-v0')",
        "lambda env_name: alf.environments.suite_gym.load('os:X-v0')",
        "sorted(['os:X-v0'], key=alf.environments.suite_gym.load)",
        "partial(alf.environments.suite_gym.load, 'os:X-v0')()",
        "[partial(partial, alf.environments.utils.create_environment)]",
        "alf.nest.map_structure(alf.environments.suite_gym.load, ['os:X-v0'])",
    ),
    *("[torch.relu for torch in [1]]", "(lambda m: m.hub)(torch.relu)"),
]


@pytest.mark.parametrize("text", GOOD)
def test_what_confs_need_is_there(text):
    """Functions on numbers and tensors, layers, optimizers, networks, specs and lambdas."""
    assert parse_value("A.b", text).source == text


@pytest.mark.parametrize("text", [*BAD, *MODULES])
def test_the_rest_is_refused(text):
    """No module, no file, no conf, no frame; in a lambda neither, and before anything runs."""
    with pytest.raises(ConfigError, match="An override may use functions and classes of math"):
        parse_value("A.b", text)


def test_the_lesson():
    """It names the word that is in the way, and where such things belong."""
    with pytest.raises(ConfigError) as error:
        parse_value("A.b", "[1, torch.os.getcwd()]")

    assert str(error.value) == (
        "--conf_param 'A.b': '[1, torch.os.getcwd()]' uses 'torch.os.getcwd'. An override may use "
        "functions and classes of math, np, torch and alf that compute or build, and methods of "
        "plain values and tensors. Put anything else into the conf."
    )


@pytest.mark.parametrize("part", ["metrics", "networks", "ops", "optimizers", "transforms"])
def test_all_that_a_part_exports(part):
    """What alf offers to confs is offered to overrides."""
    for name in getattr(alf, part).__all__:
        parse_value("A.b", f"alf.{part}.{name}")


def test_an_unknown_name_in_a_lambda():
    """A name that is not there now may be there when the lambda is called."""
    with pytest.raises(
        ConfigError, match="AttributeError: module 'torch' has no attribute 'later'"
    ):
        parse_value("A.b", "lambda: torch.later.load('x')")


def attributes_of(value, depth: int = 2) -> list[str]:
    """Names below a value, modules in modules included."""
    names: list[str] = []
    for name in dir(value):
        names.append(name)
        inner = getattr(value, name, None)
        if depth > 1 and isinstance(inner, type(math)):
            names += [f"{name}.{below}" for below in attributes_of(inner, depth - 1)]
    return names


PATHS = [
    f"{short}.{path}"
    for short, module in MODULES.items()
    if short != "torch"
    for path in attributes_of(importlib.import_module(module))
] + [f"torch.{name}" for name in dir(torch)]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(PATHS))
def test_no_name_gives_a_module_or_a_loader(path):
    """Whatever Python finds below a known module: it computes or builds, or it is refused."""
    try:
        value = parse_value("A.b", path).value
    except ConfigError:
        return
    home = str(getattr(value, "__module__", None) or "")
    assert not isinstance(value, type(math))
    assert not home.startswith(("os", "sys", "importlib", "subprocess", "shutil", "pickle", "io"))
    assert not home.startswith(("alf._config", "alf.snapshot", "alf.bin", "alf.search"))
    assert not path.rpartition(".")[2].startswith(("load", "save", "from_file", "import_", "_"))
