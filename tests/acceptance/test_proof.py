"""Is it still the model that was trained? What a user sees, who has changed code in between.

One job is trained three times, with other code and another conf each time, and each of its
checkpoints keeps what made it.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from alf.bin import play, snapshot

PLAIN = """
import alf
from alf.algorithms.ppo_algorithm import PPOAlgorithm


@alf.configurable
class MyPolicy(PPOAlgorithm):
    def predict_step(self, inputs, state):
        return super().predict_step(inputs, state)
"""
MIRRORED = PLAIN.replace(
    "        return",
    "        inputs = inputs._replace(observation=-inputs.observation)\n        return",
)
EXTENDED = MIRRORED.replace(
    "    def predict_step",
    "    def __init__(self, *args, extra=3, **kwargs):\n"
    "        super().__init__(*args, **kwargs)\n\n"
    "    def predict_step",
)
CONF = """
from functools import partial

import alf
from my_policy import MyPolicy

alf.config("create_environment", env_name="CartPole-v1", num_parallel_environments=2)
alf.config("suite_gym.load", max_episode_steps=30)
alf.config("ActorDistributionNetwork", fc_layer_params=(8,))
alf.config("ValueNetwork", fc_layer_params=(8,))
alf.config(
    "TrainerConfig",
    algorithm_ctor=partial(MyPolicy, optimizer=alf.optimizers.Adam(lr=1e-2)),
    unroll_length=4,
    num_iterations=4,
    num_checkpoints=1,
    mini_batch_size=4,
    random_seed=3,
)
"""
SAC_CONF = """
import alf
from alf.algorithms.sac_algorithm import SacAlgorithm

alf.config("create_environment", env_name="Pendulum-v1", num_parallel_environments=2)
alf.config("ActorDistributionNetwork", fc_layer_params=(8,))
alf.config(
    "SacAlgorithm",
    actor_optimizer=alf.optimizers.Adam(lr=1e-2),
    critic_optimizer=alf.optimizers.Adam(lr=1e-2),
    alpha_optimizer=alf.optimizers.Adam(lr=1e-2),
)
alf.config(
    "TrainerConfig",
    algorithm_ctor=SacAlgorithm,
    whole_replay_buffer_training=False,
    clear_replay_buffer=False,
    unroll_length=4,
    initial_collect_steps=8,
    mini_batch_size=4,
    replay_buffer_length=30,
    num_iterations=6,
    num_checkpoints=2,
)
"""
EXACT = "recorded inputs answered as then, bit for bit"


class Lineage:
    """A job with the checkpoints 4, 8 and 12, the code of its user, and the checkout they have."""

    def __init__(self, checkout: Any, folder: Path):
        self.checkout = checkout
        self.root_dir = folder / "a job"
        self.work = folder / "work"

    def train(self) -> None:
        self.work.mkdir()
        conf = self.work / "my_conf.py"
        conf.write_text(CONF)
        self._train(PLAIN, 1, "--conf", str(conf))
        self._train(MIRRORED, 2)
        self._train(EXTENDED, 3, "--conf_param=MyPolicy.extra=4")

    def _train(self, code: str, part: int, *argv: str) -> None:
        (self.work / "my_policy.py").write_text(code)
        settings = {"num_iterations": 4 * part, "num_checkpoints": part}
        params = [f"--conf_param=TrainerConfig.{k}={v}" for k, v in settings.items()]
        done = self.run("train", *argv, *params)
        assert done.returncode == 0, done.stderr

    def run(
        self, command: str, *argv: str, root_dir: Path | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Runs a command with the code of today."""
        given = ["python", "-m", f"alf.bin.{command}", *verb(argv)]
        given += ["--root_dir", str(root_dir or self.root_dir), *argv[len(verb(argv)) :]]
        return self.checkout.run(*given, path=[self.work])

    def copy(self, folder: Path) -> Path:
        """The job, to damage."""
        return Path(shutil.copytree(self.root_dir, folder / "job to damage", symlinks=True))


def verb(argv: Sequence[str]) -> list[str]:
    return [word for word in argv[:1] if not word.startswith("-")]


def proofs(said: str) -> dict[tuple[int, str], str]:
    """(checkpoint, kind) -> verdict, as `verify` prints them."""
    lines = re.findall(r"^ckpt-(\d+) +(\w+) +(\w+) ", said, re.M)
    return {(int(number), kind): word for number, kind, word in lines}


@pytest.fixture(scope="module")
def lineage(new_checkout, tmp_path_factory) -> Lineage:
    """Trained; nobody changes it."""
    checkout = new_checkout(tmp_path_factory.mktemp("theirs"))
    made = Lineage(checkout, tmp_path_factory.mktemp("lineage"))
    made.train()
    return made


def test_every_checkpoint_is_proved_by_its_own_code(lineage):
    """Three codes, a process each, and nothing differs; the newest is trained again too."""
    done = lineage.run("snapshot", "verify", "--retrain")

    assert done.returncode == 0, done.stdout + done.stderr
    kinds = [(number, kind) for number in (4, 8, 12) for kind in ("fingerprint", "trace")]
    assert proofs(done.stdout) == dict.fromkeys([*kinds, (12, "retrain")], "exact")
    assert "retrain      exact  trained again from ckpt-8: " in done.stdout
    assert done.stdout.splitlines()[-1].startswith("Read: 3 snapshots ")
    assert done.stdout.endswith(" and 3 checkpoints; wrong: nothing.\n")


def test_stock_git_shows_what_changed(lineage):
    """The store is a repository: one commit a snapshot, one tag a checkpoint."""
    git = shutil.which("git")
    if git is None:
        pytest.skip("git is not installed")

    def run(*argv: str) -> str:
        command = [git, "-C", str(lineage.root_dir / "snapshots.git"), *argv]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert len(run("log", "--oneline").splitlines()) == 3
    assert run("tag").split() == ["ckpt-12", "ckpt-4", "ckpt-8"]
    assert "+        inputs = inputs._replace(" in run("diff", "ckpt-4", "ckpt-8", "--", "*.py")
    second = run("diff", "ckpt-8", "ckpt-12", "--", "*.py")
    assert "+    def __init__(self, *args, extra=3" in second
    assert "MyPolicy.extra': 4" in second
    assert "observation=-inputs" not in re.sub(r"^ .*$", "", second, flags=re.M)


def test_another_answer_leads_to_what_changed_and_to_the_way_back(lineage, tmp_path):
    """Today's code says that it differs, why, and what to type; and that is right as it stands."""
    done = lineage.run("play", "--checkpoint_step=4", "--num_episodes=1")

    assert done.returncode == 0, done.stderr
    assert re.search(
        r"^proof     fingerprint differs: answer '\S+' differs first, in ", done.stdout, re.M
    )
    assert re.search(r"^changed   alf_config\.py, my_policy\.py$", done.stdout, re.M)
    command = re.search(r"^as then   (alf play .*)$", done.stdout, re.M)
    assert command is not None
    assert shlex.split(command[1])[3] == str(lineage.root_dir)
    report = tmp_path / "report.json"
    programs = shlex.quote(str(Path(sys.executable).parent))
    typed = f'PATH={programs}:"$PATH" {command[1]} --num_episodes 1 --report_file {report}'
    as_then = lineage.checkout.run("bash", "-c", typed, cwd=Path("/"))
    assert as_then.returncode == 0, as_then.stderr
    assert re.search(rf"^proof     fingerprint exact: \d+ {EXACT}$", as_then.stdout, re.M)
    assert "changed " not in as_then.stdout
    played = json.loads(report.read_text())
    assert (played["checkpoint_step"], played["fingerprint"]) == (4, "exact")


def flip(path: Path) -> None:
    """One bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


def test_damage_in_the_store_is_named_and_not_run(lineage, tmp_path, run_here):
    """A pack that lost a bit: verify says which, and play refuses in one message."""
    root_dir = lineage.copy(tmp_path)
    largest = max(
        (root_dir / "snapshots.git/objects/pack").glob("*.pack"), key=lambda p: p.stat().st_size
    )
    flip(largest)
    code, said, told = run_here(snapshot.main, "verify", "--root_dir", str(root_dir))

    assert code == 1
    assert f"snapshots.git/objects/pack/{largest.name}" in said + told
    assert "The store is damaged, so the code in it was not run." in said
    argv = ["--root_dir", str(root_dir), "--use_alf_snapshot", "--num_episodes", "1"]
    code, _, told = run_here(play.main, *argv)
    assert code != 0
    assert told.startswith("SnapshotError: ")
    assert "Traceback" not in told


def test_a_damaged_model_is_named_and_not_played(lineage, tmp_path):
    """A bit of the parameters: verify says which file, and play refuses in one message."""
    root_dir = lineage.copy(tmp_path)
    model = "train/algorithm/ckpt-8/model.safetensors"
    flip(root_dir / model)
    done = lineage.run("snapshot", "verify", "--checkpoint_step=8", root_dir=root_dir)

    assert done.returncode == 1
    assert f"checkpoint: {model}: its digest is not the one in checkpoint.json" in done.stdout
    assert proofs(done.stdout) == {}
    argv = ["--use_alf_snapshot", "--checkpoint_step=8", "--num_episodes=1"]
    played = lineage.run("play", *argv, root_dir=root_dir)
    assert played.returncode != 0
    assert "CheckpointError: " in played.stderr
    assert "is damaged" in played.stderr
    assert "Traceback" not in played.stderr


def test_an_edited_loss_is_named_and_trains_to_other_bits(lineage, tmp_path):
    """A constant in the copy of the code: the answers are as then, and training is not."""
    root_dir = lineage.copy(tmp_path)
    edited = root_dir / "alf/algorithms/ppo_loss.py"
    text = edited.read_text()
    changed = re.sub(r"(importance_ratio_clipping: float = )0\.2", r"\g<1>0.1", text)
    changed = re.sub(r"(td_loss_weight: float = )(\S+),", r"\g<1>0.9,", changed)
    assert changed != text
    edited.write_text(changed)
    argv = ["verify", "--checkpoint_step=12", "--retrain"]
    done = lineage.run("snapshot", *argv, root_dir=root_dir)

    assert done.returncode == 1
    assert "copy: alf/algorithms/ppo_loss.py: modified" in done.stdout
    kinds = {(12, "fingerprint"): "exact", (12, "trace"): "exact", (12, "retrain"): "differs"}
    assert proofs(done.stdout) == kinds
    assert "trained again from ckpt-8: 'model.algorithm." in done.stdout
    assert "wrong: 2." in done.stdout


def test_a_job_with_replay_is_trained_again_too(checkout, tmp_path):
    """The first checkpoint, from nothing but the seed that was drawn then."""
    conf = tmp_path / "sac_conf.py"
    conf.write_text(SAC_CONF)
    job = ["--root_dir", str(tmp_path / "job")]
    trained = checkout.run("python", "-m", "alf.bin.train", *job, "--conf", str(conf))
    assert trained.returncode == 0, trained.stderr
    argv = [*job, "--checkpoint_step=3", "--retrain", "--json"]
    done = checkout.run("python", "-m", "alf.bin.snapshot", "verify", *argv)

    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    told = {proof["kind"]: proof["told"] for proof in report["proofs"]}
    assert {proof["word"] for proof in report["proofs"]} == {"exact"}
    assert told["retrain"].startswith("trained again from the start: ")
    assert report["ok"] is True


def test_an_edited_configuration_is_played_by_an_old_snapshot_too(lineage, tmp_path):
    """`alf_config.py` as somebody has changed it by hand wins over what the snapshot holds."""
    root_dir = lineage.copy(tmp_path)
    conf = root_dir / "alf_config.py"
    text = conf.read_text()
    for before, after in (
        (r"^.*MyPolicy\.extra.*\n", ""),  # which the old code does not know
        ("max_episode_steps=30", "max_episode_steps=3"),
    ):
        text, count = re.subn(before, after, text, flags=re.M)
        assert count == 1
    conf.write_text(text)
    argv = ["--use_alf_snapshot", "--checkpoint_step=4", "--num_episodes=2"]
    done = lineage.run("play", *argv, root_dir=root_dir)

    assert done.returncode == 0, done.stderr
    assert re.findall(r"^episode .*, (\d+) steps", done.stdout, re.M) == ["3", "3"]
    assert re.search(rf"^proof     fingerprint exact: \d+ {EXACT}$", done.stdout, re.M)


def test_an_edited_configuration_explains_what_differs(lineage, tmp_path):
    """Proofs run what `alf_config.py` says, and the reader hears that it is not what it was."""
    root_dir = lineage.copy(tmp_path)
    conf = root_dir / "alf_config.py"
    conf.write_text(conf.read_text().replace("max_episode_steps=30", "max_episode_steps=3"))
    done = lineage.run("snapshot", "verify", "--checkpoint_step=12", root_dir=root_dir)

    assert done.returncode == 1
    assert proofs(done.stdout) == {(12, "fingerprint"): "exact", (12, "trace"): "differs"}
    assert "what the environment shows differs at step 3\n" in done.stdout
    edited = "alf_config.py was edited after training, and the proofs ran it as it is.\n"
    assert edited in done.stdout
