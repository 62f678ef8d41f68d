"""`alf config`, as a user runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from alf._config import read_recorded
from alf.bin import config as command

CONF = """
import alf
from functools import partial
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm


@alf.configurable
def reward_of(distance: float, scale: float = 2.0):
    \"\"\"What a distance is worth.

    Args:
        distance: in metres.
        scale: of the result.
    \"\"\"
    return distance * scale


alf.config("ActorCriticLoss", gamma=0.9)
alf.config(
    "TrainerConfig",
    algorithm_ctor=partial(ActorCriticAlgorithm, optimizer=alf.optimizers.Adam(lr=1e-3)),
    num_iterations=2,
    unroll_length=2,
)
alf.config("create_environment", env_name="CartPole-v1", num_parallel_environments=2)
"""


TRAIN = (sys.executable, "-m", "alf", "train")


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    path = tmp_path / "my_conf.py"
    path.write_text(CONF)
    return path


def run(capsys, *arguments: object) -> tuple[int, str]:
    code = command.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


class TestList:
    def test_a_class_with_types_defaults_and_docs(self, capsys):
        """By any part of its name, without an import of the user's."""
        code, text = run(capsys, "list", "ppoloss")

        assert code == 0
        assert text.startswith("alf.algorithms.ppo_loss.PPOLoss\n")
        assert "  gamma: float = 0.99\n      discount of future rewards, in `[0, 1]`.\n" in text
        assert "Settled" not in text
        assert max(map(len, text.splitlines())) <= 120

    def test_what_begins_with_the_word_comes_first(self, capsys):
        """Then what has it further behind, then what has a parameter of that name."""
        _, text = run(capsys, "list", "SAC", "--json")
        both = [entry["name"].rpartition(".")[2] for entry in json.loads(text)]
        _, text = run(capsys, "list", "value", "--json")
        own = ["value" in entry["name"].rpartition(".")[2].lower() for entry in json.loads(text)]

        assert both == ["SacAlgorithm", "QuantileSacAlgorithm"]
        assert own == sorted(own, reverse=True)
        assert set(own) == {True, False}

    def test_parameters_by_their_name(self, capsys):
        """Only those that have the word, of all that have one."""
        code, text = run(capsys, "list", "td_lambda", "--json")
        found = json.loads(text)

        assert code == 0
        assert len(found) > 1
        assert all("td_lambda" in p["name"] for entry in found for p in entry["parameters"])

    def test_what_a_conf_defines(self, conf, capsys):
        """With --conf."""
        code, text = run(capsys, "list", "reward_of", "--conf", conf)

        assert code == 0
        assert text.startswith(
            "reward_of  (my_conf.py)\n"
            "  What a distance is worth.\n  distance: float\n      in metres.\n"
        )

    def test_nothing(self, capsys):
        """A word that nothing has is a mistake, and says what to try."""
        code, text = run(capsys, "list", "no such thing")

        assert code == 2
        assert "with --conf C also what a conf of yours defines" in text

    def test_everything_has_a_doc(self):
        """Each configurable of ours says what it is, and each of their parameters too."""
        listed = [sys.executable, "-m", "alf", "config", "list", "--json"]
        done = subprocess.run(listed, check=True, capture_output=True, text=True)
        entries = json.loads(done.stdout)

        assert len(entries) > 40
        assert [] == [entry["name"] for entry in entries if not entry["doc"]]
        parameters = [parameter for entry in entries for parameter in entry["parameters"]]
        assert [] == [parameter["name"] for parameter in parameters if not parameter["doc"]]


class TestShow:
    def test_values_and_who_set_them(self, conf, capsys):
        """File and line for a conf, the flag for an override, which is marked."""
        override = "TrainerConfig.unroll_length=7"
        code, text = run(capsys, "show", conf, "--conf_param", override, "--json")
        rows = {row["name"]: row for row in json.loads(text)}

        assert code == 0
        assert rows["ActorCriticLoss.gamma"] == {
            "name": "ActorCriticLoss.gamma",
            "full_name": "alf.algorithms.actor_critic_loss.ActorCriticLoss.gamma",
            "value": "0.9",
            "origin": f"{conf}:18",
            "override": False,
            "instead_of": None,
        }
        assert rows["TrainerConfig.unroll_length"]["value"] == "7"
        assert rows["TrainerConfig.unroll_length"]["override"]
        assert "--conf_param" in rows["TrainerConfig.unroll_length"]["origin"]
        assert rows["TrainerConfig.algorithm_ctor"]["value"].startswith(
            "partial(ActorCriticAlgorithm, optimizer=Adam(lr=0.001"
        )

    def test_what_an_override_replaces(self, conf, capsys):
        """The conf's own value and its line stand beside the stronger one."""
        code, text = run(capsys, "show", conf, "--conf_param", "ActorCriticLoss.gamma=0.5")

        assert code == 0
        line = text.splitlines()[1]
        assert text.startswith("ActorCriticLoss.gamma = 0.5\n    --conf_param  (override of 0.9, ")
        assert line.endswith("my_conf.py:18)")

    def test_what_was_used(self, conf, capsys):
        """Set or default, once the model is made; what is set in vain is not among them."""
        with conf.open("a") as file:
            file.write('alf.config("PPOLoss", gamma=0.1)\n')
        code, text = run(capsys, "show", conf, "--used", "--json")
        listed, _ = json.JSONDecoder().raw_decode(text)  # what is logged follows
        rows = {row["name"]: (row["value"], row["origin"]) for row in listed}

        assert code == 0
        assert rows["ActorCriticLoss.gamma"] == ("0.9", f"{conf}:18")
        assert rows["ActorCriticLoss.td_lambda"] == ("0.95", "default")
        assert rows["ValueNetwork.fc_layer_params"][1] == "default"
        assert not [name for name in rows if name.startswith("PPOLoss")]
        code, text = run(capsys, "show", conf, "--used")
        assert "\nActorCriticLoss.td_lambda = 0.95  (default)\n" in text

    def test_a_mistake_has_its_lesson(self, tmp_path, capsys):
        """As training would say it; no traceback."""
        path = tmp_path / "bad_conf.py"
        path.write_text("import alf\nalf.config('PPOLoss', gama=0.9)\n")
        code, text = run(capsys, "show", path)

        assert code == 2
        assert "gamma" in text
        assert f"{path}:2" in text

    def test_a_folder_that_is_no_job(self, tmp_path, capsys):
        """Says what is missing."""
        code, text = run(capsys, "show", tmp_path)

        assert code == 2
        assert "it has no 'alf_config.py'" in text


class TestDiff:
    def test_a_job_sets_what_its_conf_does(self, conf, tmp_path, capsys):
        """Though classes, partials and optimizers are other objects in each."""
        job = tmp_path / "job"
        subprocess.run(
            [*TRAIN, "--root_dir", job, "--conf", conf],
            check=True,
            capture_output=True,
        )
        assert run(capsys, "diff", job, conf) == (0, "Both set the same.\n")

        override = "ActorCriticLoss.gamma=0.5"
        other = tmp_path / "other"
        subprocess.run(
            [*TRAIN, "--root_dir", other, "--conf", conf, "--conf_param", override],
            check=True,
            capture_output=True,
        )
        assert read_recorded(other / "alf_config.py").overrides
        code, text = run(capsys, "diff", job, other)
        assert code == 1
        lines = text.splitlines()
        assert lines[:2] == [f"--- {job}", f"+++ {other}"]
        assert lines[2::2] == ["- ActorCriticLoss.gamma = 0.9", "+ ActorCriticLoss.gamma = 0.5"]
        assert all(line.startswith("    ") for line in lines[3::2])
        assert all("alf_config.py:" in line for line in lines[3::2])

    def test_set_on_one_side_only(self, conf, tmp_path, capsys):
        """Has a line for that side."""
        other = tmp_path / "other_conf.py"
        other.write_text(CONF + 'alf.config("ActorCriticLoss", td_lambda=0.5)\n')
        code, text = run(capsys, "diff", conf, other, "--json")

        assert code == 1
        (row,) = json.loads(text)
        assert row["name"] == "ActorCriticLoss.td_lambda"
        assert row["a"] is None
        assert row["b"]["value"] == "0.5"


def test_a_reader_that_has_seen_enough():
    """`alf config list | head` ends without a traceback."""
    listing = subprocess.Popen(
        [sys.executable, "-m", "alf", "config", "list"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with listing:
        assert listing.stdout is not None
        assert listing.stderr is not None
        listing.stdout.close()
        said = listing.stderr.read()

    assert (b"", 128 + 13) == (said, listing.returncode)


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("verb", ["show", "diff"])
def test_a_terminal_gets_no_line_longer_than_it_is(
    conf, tmp_path, capsys, monkeypatch, verb, columns
):
    """Broken between words, and whole where something reads it."""
    other = tmp_path / "other_conf.py"
    other.write_text(CONF.replace("lr=1e-3", "lr=1e-2"))
    arguments = (verb, conf, *([other] if verb == "diff" else []))
    monkeypatch.setenv("COLUMNS", str(columns))

    _, whole = run(capsys, *arguments)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    _, fitted = run(capsys, *arguments)

    where = tmp_path.name  # a path, from here or from the root, is one word
    long = [ln for ln in fitted.splitlines() if len(ln) > columns and where not in ln]
    assert long == []
    assert max(map(len, whole.splitlines())) > 120
    assert "".join(whole.split()) == "".join(fitted.split())


def test_help_is_shown(capsys):
    """`alf config --help` tells all commands."""
    code, text = run(capsys, "--help")

    assert code == 0
    assert "alf config diff A B" in text
