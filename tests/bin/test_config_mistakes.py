"""Mistakes in confs and overrides, each made once with `alf train`: the advice that it gives."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from alf._config import isolated
from alf.bin import train

CHECKOUT = Path(__file__).resolve().parents[2]
CONF = """
from functools import partial

import alf
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm

alf.config("create_environment", env_name="CartPole-v1", num_parallel_environments=1)
alf.config(
    "TrainerConfig",
    algorithm_ctor=partial(ActorCriticAlgorithm, optimizer=alf.optimizers.Adam(lr=1e-3)),
    num_iterations=1,
    unroll_length=2,
)
"""
LINE = len(CONF.splitlines()) + 1
"""Of what a test adds."""

MODEL = """
import alf


@alf.configurable
def make_model(width: int = 64):
    return width


class Plain:
    def __init__(self, width=1):
        pass
"""


@pytest.fixture
def mistake(tmp_path, capsys):
    """Trains with a line more in the conf, and gives the advice; refuses a traceback."""
    (tmp_path / "my_model.py").write_text(MODEL)

    def make(added: str = "", *conf_params: str) -> str:
        conf = tmp_path / "my_conf.py"
        conf.write_text(f"{CONF}{added}\n")
        given = [f"--conf_param={param}" for param in conf_params]
        with isolated():
            job = tmp_path / "job"
            code = train.main(["--root_dir", str(job), "--conf", str(conf), *given])
        sys.modules.pop("my_model", None)
        advice = capsys.readouterr().err.splitlines()
        start = next(n for n, line in enumerate(advice) if line.startswith("ConfigError: "))

        assert code == 2
        assert not list(job.glob("*"))
        return "\n".join(advice[start:]).removeprefix("ConfigError: ")

    return make


def test_unknown_parameter(mistake, tmp_path):
    """The closest name with its module, and where all of them are listed."""
    text = mistake("alf.config('TrainerConfig', num_iteratons=5)")

    assert text.startswith(
        f"{tmp_path}/my_conf.py:{LINE}: there is no configurable parameter "
        "'TrainerConfig.num_iteratons'. Did you mean 'TrainerConfig.num_iterations' (of "
        "alf.trainers.trainer_config)? 'TrainerConfig' has "
    )
    assert text.endswith(" parameters: `alf config list TrainerConfig` shows them.")


def test_part_of_a_name(mistake):
    """Also what is much longer than what was written; a short list is given whole."""
    text = mistake("alf.config('PPOLoss', entropy=5)")

    assert "Did you mean 'PPOLoss.entropy_regularization' (of alf.algorithms.ppo_loss)?" in text
    assert "'PPOLoss' has: advantage_clip, entropy_reg" in text.replace("debug_summaries, ", "")


def test_unknown_owner(mistake):
    """A misspelt class is found also where nothing has imported it."""
    text = mistake("alf.config('SacAlgoritm', target_update_tau=5)")

    assert (
        "Did you mean 'SacAlgorithm.target_update_tau' (of alf.algorithms.sac_algorithm)?" in text
    )


def test_missing_import(mistake, tmp_path):
    """The module that would define it, though nothing imports that; its line and its name."""
    assert mistake("alf.config('make_model', width=5)").endswith(
        f"'make_model.width'. 'make_model' is defined at {tmp_path}/my_model.py:6: import "
        "'my_model' above."
    )
    assert mistake("", "make_model.width=5").startswith(
        "--conf_param: there is no configurable parameter 'make_model.width'. 'make_model' is "
        f"defined at {tmp_path}/my_model.py:6: import 'my_model'"
    )


def test_not_configurable(mistake, tmp_path):
    """A class that is there but lacks the decorator: of the conf, of a module, of a library."""
    own = "class Own:\n    pass\nalf.config('Own', width=5)"
    assert mistake(own).endswith(
        "'Own' is not configurable: write @alf.configurable above its definition."
    )
    assert mistake("alf.config('Plain', width=5)").endswith(
        f"'Plain' is defined at {tmp_path}/my_model.py:10, but not configurable: write "
        "@alf.configurable above it."
    )
    assert "'Linear' is torch.nn.modules.linear.Linear, which is not configurable." in mistake(
        "from torch.nn import Linear\nalf.config('Linear', bias=False)"
    )


def test_set_before_its_definition(mistake, tmp_path):
    """The function stands further down in the same conf."""
    text = "alf.config('below', a=1)\n\n\n@alf.configurable\ndef below(a=2):\n    pass"

    assert mistake(text).endswith(
        f"is defined at {tmp_path}/my_conf.py:{LINE + 4}: set it below that."
    )


def test_nothing_like_it(mistake):
    """How names are made, and where all of them are."""
    assert mistake("alf.config1('qqqqqqq', 1)").endswith(
        "A name is <class or function>.<parameter>, and is known once the module that defines it "
        "is imported: is an import missing above? `alf config list` shows what there is."
    )


def test_ambiguous(mistake):
    """Every candidate, by the shortest name that means it alone."""
    text = mistake("import alf.algorithms.ppo_loss\nalf.config1('td_lambda', 0.9)")

    assert ": 'td_lambda' can mean " in text
    assert "ActorCriticLoss.td_lambda, " in text
    assert "PPOLoss.td_lambda" in text
    assert text.endswith("Write more of the name: one of these.")
    assert "'td_lambda' can mean " in mistake("import alf.algorithms.ppo_loss", "td_lambda=0.9")


def test_set_after_use(mistake, tmp_path):
    """Where it was used, and where it is set."""
    conf = f"{tmp_path}/my_conf.py"
    text = "x = alf.get_config_value('unroll_length')\nalf.config('TrainerConfig', unroll_length=5)"

    assert mistake(text) == (
        f"{conf}:{LINE + 1}: 'alf.trainers.trainer_config.TrainerConfig.unroll_length' is set to "
        f"5, but it was already used at {conf}:{LINE}, so that the new value would not be what "
        "ran. Set it earlier, or pass raise_if_used=False if only later uses matter."
    )


def test_immutable(mistake, tmp_path):
    """Both values, and where each is set."""
    first = "alf.config('ActorCriticLoss', mutable=False, gamma=0.5)"

    assert mistake(f"{first}\nalf.config1('ActorCriticLoss.gamma', 0.6)") == (
        f"{tmp_path}/my_conf.py:{LINE + 1}: "
        "'alf.algorithms.actor_critic_loss.ActorCriticLoss.gamma' is set to 0.6, but "
        f"{tmp_path}/my_conf.py:{LINE} set it to 0.5 with mutable=False. Remove one of the two."
    )


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("TrainerConfig.unroll_length", "'5'", "takes int, but was given '5', which is str. Leave"),
        ("ActorCriticLoss.gamma", "None", "takes float, but was given None, which is NoneType."),
        (
            "ValueNetwork.fc_layer_params",
            "('64', 64)",
            "but was given ('64', 64), which is tuple of int, str.",
        ),
        ("TrainerConfig.algorithm_ctor", "'SAC'", "but was given 'SAC', which is str."),
        ("TrainerConfig.unroll_length", "10 ** 5000 + 0.5", "OverflowError"),
    ],
)
def test_wrong_type(mistake, name, value, advice):
    """The annotation and the value, in a conf and on the command line."""
    override = mistake("", f"{name}={value}")
    assert override.startswith("--conf_param")
    assert advice in override
    assert advice.partition(" ")[0] in mistake(f"alf.config1('{name}', {value})")


def test_arguments_of_a_partial(mistake, tmp_path):
    """Misspelt or of a wrong type: found where the conf sets the partial, which nothing called."""
    wrong = "alf.config1('TrainerConfig.algorithm_ctor', partial(ActorCriticAlgorithm, {}))"
    place = f"{tmp_path}/my_conf.py:{LINE}: "

    text = mistake(wrong.format("optimzer=None"))
    assert text.startswith(f"{place}partial(ActorCriticAlgorithm, optimzer=...): ")
    assert "ActorCriticAlgorithm takes no 'optimzer'. Did you mean 'optimizer'?" in text
    assert "takes str, but was given 3, which is int" in mistake(wrong.format("name=3"))


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        (
            "alf.config('TrainerConfig.unroll_length', 5)",
            "5 was given as 'mutable', which is True or False; nothing is set. Write "
            "alf.config1('TrainerConfig.unroll_length', value) or "
            "alf.config('TrainerConfig', unroll_length=value).",
        ),
        (
            "alf.config('TrainerConfig', {'unroll_length': 5})",
            "Write alf.config('TrainerConfig', **",
        ),
        ("alf.config(ActorCriticAlgorithm, name='x')", "Write alf.config('ActorCriticAlgorithm', "),
        ("alf.config({1: 2})", "a parameter is set by its name in quotes, but 1 of type int"),
        ("alf.config({'unroll_length': 1, 'TrainerConfig.unroll_length': 2})", "is given twice"),
        ("alf.define_config('a b', 1)", "'a b' is no name that an override could set."),
        ("alf.pre_config([1])", "alf.pre_config takes a dict of name and value"),
    ],
)
def test_wrong_calls(mistake, line, advice):
    """Calls that would silently set nothing, or fail with words of Python's."""
    assert advice in mistake(line)


ALGORITHM = "alf.config1('TrainerConfig.algorithm_ctor', {})"
NETWORK = "alf.config1('ActorCriticAlgorithm.actor_network_ctor', {})"
ENVIRONMENT = "alf.config1('create_environment.env_load_fn', {})"
TRANSFORMER = "alf.config1('TrainerConfig.data_transformer_ctor', [{}])"
LOSS = "alf.config1('ActorCriticLoss.td_error_loss_fn', {})"


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        (
            ALGORITHM.format("partial(Own, 1)"),
            "TrainerConfig.algorithm_ctor' is partial(Own, 1). It is called with (observation_spec="
            ", action_spec=, reward_spec=, config=), but takes (): Own.__init__() got an "
            "unexpected keyword argument 'observation_spec'. Let it take these arguments; ",
        ),
        (
            ALGORITHM.format("partial(ActorCriticAlgorithm, loss_class=lambda: 0)"),
            "ActorCriticAlgorithm.loss_class' is <lambda>. It is called with (debug_summaries=), "
            "but takes (): ",
        ),
        (
            ALGORITHM.format("lambda needed, **rest: 0"),
            "missing 1 required positional argument: 'needed'. Give what is missing by partial(",
        ),
        (ALGORITHM.format("lambda **k: 0"), "made a int, but must make alf.algorithms.algorithm.A"),
        (
            NETWORK.format("lambda **k: None"),
            "actor_network_ctor' is <lambda>, which made a NoneType, but must make "
            "alf.networks.network.Network. Is there no 'return' in it?",
        ),
        (NETWORK.format("lambda **k: torch.nn.Linear(4, 2)"), "which made a Linear, but must"),
        (NETWORK.format("lambda x: 0"), "It is called with (input_tensor_spec=, action_spec=), "),
        (NETWORK.format("max"), "actor_network_ctor' is max. It is called with "),
        (NETWORK.format("3"), "actor_network_ctor' takes collections.abc.Callable"),
        (ENVIRONMENT.format("lambda: 0"), "env_load_fn' is <lambda>. It is called with ('CartPole"),
        (TRANSFORMER.format("lambda: 0"), "data_transformer_ctor' is <lambda>. It is called with "),
        (
            LOSS.format("lambda x: 0"),
            "td_error_loss_fn' takes collections.abc.Callable[[torch.Tens",
        ),
        (LOSS.format("lambda x: 0"), "torch.Tensor], but was given <lambda>, which is function. T"),
        (
            "alf.config1('batched_wrappers', [lambda: 0])",
            "which is list of function.",
        ),
        (
            "x = partial(ActorCriticAlgorithm, optimizer=alf.optimizers.Adam)\n"
            + ALGORITHM.format("x"),
            "ActorCriticAlgorithm.optimizer' takes alf.optimizers.specs.Optimizer | None, but was",
        ),
    ],
)
def test_what_is_given_to_be_called(mistake, tmp_path, line, advice):
    """A callable of another signature, or that makes something else: who set it, and what it takes.

    Nothing at the place that calls it has to know.
    """
    added = "import torch\nclass Own:\n    def __init__(self, x): pass\n" + line
    text = mistake(added)

    assert advice in text
    assert text.startswith(f"{tmp_path}/my_conf.py:{LINE + added.count(chr(10))}: ")


def test_errors_of_the_confs_own(mistake, tmp_path):
    """The line of the conf, its text, and where it was raised; never an exit code of 0."""
    (tmp_path / "broken_module.py").write_text("\nX = 1 / 0\n")
    place = f"{tmp_path}/my_conf.py:{LINE}: "

    assert mistake("import broken_module") == (
        f"{place}ZeroDivisionError: division by zero\n    import broken_module\n"
        f"  raised at {tmp_path}/broken_module.py:2: X = 1 / 0"
    )
    assert mistake("import nowhere_at_all").endswith(
        "\nInstall 'nowhere_at_all', or put it beside the conf or into a folder on PYTHONPATH."
    )
    assert mistake("exit()").startswith(f"{place}SystemExit: None\n    exit()\nA conf says what")
    assert mistake("x = (1,,)") == f"{place}invalid syntax\n    x = (1,,)\n           ^"


@pytest.mark.parametrize("debug", [False, True])
def test_errors_of_code_that_a_conf_names(tmp_path, capsys, debug):
    """Its own traceback, below the line that called it; `--debug` shows all of it."""
    conf = tmp_path / "my_conf.py"
    wrong = "def wrapper(env):\n    return 1 / 0\nalf.config1('load.gym_env_wrappers', [wrapper])\n"
    conf.write_text(f"{CONF}{wrong}")
    job = str(tmp_path / "job")
    with isolated():
        argv = ["--root_dir", job, "--conf", str(conf), *(["--debug"] if debug else [])]
        try:
            code = train.main(argv)
        except ZeroDivisionError:
            code = "as it is"
    told = capsys.readouterr().err
    told = told[told.find("Traceback") :].splitlines()

    if debug:
        assert code == "as it is"
        return
    assert code == 1
    assert 'suite_gym.py", line ' in told[1]
    assert f'  File "{conf}", line {LINE + 1}, in wrapper' == told[4]
    assert told[-2] == "ZeroDivisionError: division by zero"
    assert told[-1].endswith("frames above these are left out; --debug shows them.)")


def test_no_such_conf(tmp_path, capsys):
    """A file of nearly that name is suggested; a name that no file can have is no traceback."""
    (tmp_path / "my_conf.py").write_text(CONF)
    for wrong, advice in (
        (tmp_path / "my_cnf.py", f"Did you mean '{tmp_path / 'my_conf.py'}'?"),
        (tmp_path / ("a" * 300), "does not exist"),
        (tmp_path, "is a folder"),
    ):
        assert train.main(["--root_dir", str(tmp_path / "job"), "--conf", str(wrong)]) == 2
        assert advice in capsys.readouterr().err


def test_set_and_never_used(tmp_path):
    """Warned of where start-up ends, with file, line and reason; training goes on."""
    conf = tmp_path / "my_conf"  # without an ending, as any file may be a conf
    unused = [
        "alf.config('PPOLoss', gamma=0.5)",
        "alf.config('ActorCriticAlgorithm', optimizer=alf.optimizers.SGD(lr=1e-3))",
        "alf.define_config('leaves', 3)",
        "alf.config1('leaves', 4)",
        "alf.config('suite_gym.load', max_episode_steps=0)",
        "@alf.configurable\ndef reward(scale=1): pass",
        "alf.config('reward', scale=3)",
    ]
    conf.write_text(CONF + "\n".join(unused) + "\n")
    done = subprocess.run(
        [sys.executable, "-m", "alf", "train", "--root_dir", "job", "--conf", "my_conf"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    warned = [n for n, line in enumerate(lines) if "but nothing used it" in line]
    told = [lines[n].partition("] ")[2].partition(", but nothing used it") for n in warned]
    reasons = {said[0].rpartition("'")[0]: said[2] for said in told}

    assert "done" in done.stdout
    first_save = next(n for n, line in enumerate(lines) if "is saved" in line)
    last_start = next(n for n, line in enumerate(lines) if line.startswith("snapshot"))
    assert last_start < warned[0] <= warned[-1] < first_save
    assert told[0][0].startswith(f"{conf}:{LINE}: 'alf.algorithms.ppo_loss.PPOLoss.gamma' is set")
    assert next(iter(reasons.values())) == ": no PPOLoss was made. Is another class in its place?"
    partial_line = CONF[: CONF.index('alf.config(\n    "TrainerConfig"')].count("\n") + 1
    assert f"call passes optimizer itself, at {conf}:{partial_line}, and" in str(reasons)
    assert "no alf.get_config_value('leaves') was executed" in str(reasons)
    assert "reward was not called so far" in str(reasons)
