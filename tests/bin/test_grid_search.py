"""Real searches: real processes, real files, one tiny conf."""

import csv
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alf.bin import grid_search
from alf.snapshot import Store

ROOT = Path(__file__).resolve().parents[2]

CONF = """
from functools import partial
from pathlib import Path

import alf
import sibling
from my_project.algorithm import MaybeCrashing

alf.import_config("base_conf.py")
alf.define_config("crash", False)
alf.config("TrainerConfig", num_iterations=2, unroll_length=20)
# The current folder of a job is its own.
Path("conf_seen.txt").write_text(f"original {sibling.WORD}")
"""

BASE_CONF = """
from functools import partial
import alf
from my_project.algorithm import MaybeCrashing

alf.config("create_environment", env_name="CartPole-v1", num_parallel_environments=4)
alf.config("TrainerConfig", algorithm_ctor=partial(
    MaybeCrashing, optimizer=alf.optimizers.Adam(lr=1e-3)))
"""

ALGORITHM = """
from pathlib import Path
import alf
from alf.algorithms.actor_critic_algorithm import ActorCriticAlgorithm

class MaybeCrashing(ActorCriticAlgorithm):
    def calc_loss(self, info):
        Path("algorithm_seen.txt").write_text("original")
        if alf.get_config_value("crash") and alf.get_config_value("ActorCriticLoss.gamma") == 0.5:
            raise ValueError("on purpose")
        return super().calc_loss(info)
"""

SEARCH = {
    "desc": "which gamma",
    "parameters": {"crash": [True, False], "ActorCriticLoss.gamma": "[0.5, 0.9]"},
    "repeats": 2,
    "max_worker_num": 2,
}


def make_project(folder):
    (folder / "my_project").mkdir(parents=True)
    (folder / "confs").mkdir()
    (folder / "my_project" / "__init__.py").write_text("")
    (folder / "my_project" / "algorithm.py").write_text(ALGORITHM)
    (folder / "confs" / "tiny_conf.py").write_text(CONF)
    (folder / "confs" / "base_conf.py").write_text(BASE_CONF)
    (folder / "confs" / "sibling.py").write_text("WORD = 'original'\n")
    (folder / "search.json").write_text(json.dumps(SEARCH))
    return folder


def edit_project(folder):
    """What a researcher does all day, while jobs wait."""
    for path in (*folder.glob("confs/*.py"), folder / "my_project" / "algorithm.py"):
        path.write_text(path.read_text().replace("original", "edited"))
    (folder / "confs" / "base_conf.py").write_text("raise RuntimeError('edited')\n")


started: "list[subprocess.Popen[str]]" = []


@pytest.fixture(autouse=True)
def _nothing_runs_on():
    """A search whose test has failed ends with it, and with the search its jobs."""
    yield
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()
    started.clear()


def start(project, *arguments):
    path = os.pathsep.join([str(project), str(ROOT)])
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "alf.bin.grid_search", *map(str, arguments)],
        cwd=project,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    started.append(process)
    return process


def new_search(project, root_dir):
    conf = project / "confs" / "tiny_conf.py"
    return ["--root_dir", root_dir, "--search_config", "search.json", "--conf", conf]


def wait_for(condition, process, root):
    deadline = time.monotonic() + 300
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        if time.monotonic() > deadline:
            process.kill()
            logs = [f"{log}:\n{log.read_text()}" for log in root.rglob("train.log")]
            pytest.fail("\n".join(["it never came", process.communicate()[0], *logs]))
        time.sleep(0.05)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A search of 2 x 2 x 2, one combination of which crashes; all is edited once it runs."""
    project = make_project(tmp_path_factory.mktemp("project"))
    root = tmp_path_factory.mktemp("search") / "R"
    process = start(
        project, *new_search(project, root), "--conf_param=TrainerConfig.random_seed=40"
    )
    wait_for((root / "search.json").exists, process, root)
    edit_project(project)
    output = process.communicate(timeout=300)[0]
    return project, root, process.returncode, output


def test_six_finish_and_two_crash(finished):
    """Six runs finish although two crash; the crashes are listed with their logs, and exit is 1."""
    _, root, code, output = finished
    with (root / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))

    assert 1 == code, output
    assert ["failed"] * 2 + ["finished"] * 6 == [row["state"] for row in rows], output
    assert [40, 41] * 4 == [int(row["seed"]) for row in rows]
    for row in rows[:2]:
        log = root / row["run"] / "train.log"
        assert f"FAILED    {row['run']}: ValueError: on purpose" in output
        assert f"log: {log}" in output
        assert "ValueError: on purpose" in log.read_text()
    assert all(float(row["average_return"]) > 0 for row in rows[2:])


def test_each_run_is_a_root_dir(finished):
    """Each folder holds its searched parameters, its seed, its checkpoint and its own snapshot."""
    _, root, _, _ = finished
    run = root / "3r1+crash=False+gamma=0.9"
    text = (run / "alf_config.py").read_text()

    assert "'crash': False," in text
    assert "'ActorCriticLoss.gamma': 0.9," in text
    assert "'TrainerConfig.random_seed': 41," in text
    assert (run / "train" / "algorithm" / "ckpt-2" / "model.safetensors").exists()
    assert not (run / "alf").exists()  # made when somebody plays with it
    with Store(run) as store:
        files = store.files(store.resolve("ckpt-2").tree)
        assert "alf/search/search_job.py" in files
        assert ALGORITHM.encode() == store.read(files["my_project/algorithm.py"].id)


def test_runs_share_the_code_of_their_search(finished):
    """What a run stores for itself is small, and nothing that it shares is there twice."""
    _, root, _, _ = finished
    stores = [path for path in root.glob("*/snapshots.git") if (path / "refs/tags/ckpt-2").exists()]

    assert 6 == len(stores)
    for store in stores:
        assert sum(p.stat().st_size for p in store.rglob("*") if p.is_file()) < 5000
    assert 1 == len(list(root.glob("snapshots.git/refs/runs/*")))


def test_edits_do_not_reach_queued_runs(finished):
    """Runs that were started after an edit run the code as it was submitted."""
    project, root, _, _ = finished
    runs = [path.parent for path in root.glob("*/train.log")]

    assert "edited" in (project / "my_project" / "algorithm.py").read_text()
    assert 8 == len(runs)
    for run in runs:
        assert "original original" == (run / "conf_seen.txt").read_text()
        assert "original" == (run / "algorithm_seen.txt").read_text()


def test_the_play_command_works(finished):
    """The command at the end plays the best run, with the code that trained it if asked for."""
    _, root, _, output = finished
    line = next(line for line in output.splitlines() if line.startswith("play it"))
    command = shlex.split(line.removeprefix("play it"))
    flags = ["--num_episodes", "1", "--use_alf_snapshot", "--norender"]

    played = subprocess.run(
        [sys.executable, *command[1:], *flags],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert 0 == played.returncode, played.stderr
    folder = root / Path(command[command.index("--root_dir") + 1])
    assert (folder / "alf" / "search" / "search_job.py").exists()


def test_going_on_skips_what_is_finished(finished):
    """The folder alone goes on with the search: only the two that crashed run again."""
    project, root, _, _ = finished
    before = {path: path.stat().st_mtime_ns for path in root.glob("*/train/result.json")}
    process = start(project, "--root_dir", root)
    output = process.communicate(timeout=200)[0]

    assert 1 == process.returncode, output
    assert 2 == output.count("started   ")
    assert "6 of them are finished already" in output
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_another_search_in_the_same_folder(finished, capsys):
    """A conf, an override or values that differ are refused, with what to do."""
    project, root, _, _ = finished
    arguments = [str(argument) for argument in new_search(project, root)]
    arguments[3] = str(project / "search.json")

    assert 2 == grid_search.main(arguments)

    error = capsys.readouterr().err
    assert "holds another search" in error
    assert "the conf is not the text that was submitted" in error
    assert "random_seed=40" in error
    assert "Give --root_dir alone to go on" in error


def test_killed_and_stopped(tmp_path):
    """A killed search goes on from what its jobs saved; SIGTERM saves and stops, exit code 143."""
    project = make_project(tmp_path / "project")
    data = {"parameters": {"TrainerConfig.num_iterations": [10**7, 10**8]}, "max_worker_num": 1}
    (project / "search.json").write_text(json.dumps(data))
    root = tmp_path / "R"
    first = root / "0r0+num_iterations=10000000"
    process = start(project, *new_search(project, root))
    wait_for((first / "train" / "metrics.jsonl").exists, process, root)
    process.kill()
    process.communicate()
    # Its job is just saving, and holds the folder: the next one waits for it.
    process = start(project, "--root_dir", root)
    wait_for(lambda: "resume    ckpt-" in (first / "train.log").read_text(), process, root)
    process.send_signal(signal.SIGTERM)
    output = process.communicate(timeout=60)[0]

    assert 143 == process.returncode, output
    assert list((first / "train" / "algorithm").glob("ckpt-*"))
    assert 1 == output.count("started   ")
    assert f"go on     alf grid_search --root_dir {root}" in output
    assert "stopped" == json.loads((root / "runs.jsonl").read_text())["state"]


def search_once(project, root_dir, conf, *flags):
    (project / "once.json").write_text('{"parameters": {"ActorCriticLoss.gamma": [0.9]}}')
    arguments = ["--root_dir", root_dir, "--search_config", "once.json", "--conf", conf, *flags]
    process = start(project, *arguments)
    return process.communicate(timeout=200)[0], process.returncode


def test_without_snapshot(tmp_path):
    """With --nostore_snapshot nothing is frozen, and the conf still finds its neighbours."""
    project = make_project(tmp_path / "project")

    output, code = search_once(
        project, tmp_path / "R", project / "confs" / "tiny_conf.py", "--nostore_snapshot"
    )

    assert 0 == code, output
    assert not list(tmp_path.glob("R/**/snapshots.git"))
    assert not (tmp_path / "R" / "alf").exists()


def test_the_conf_of_a_run_can_be_searched_again(finished, tmp_path):
    """A run's alf_config.py is a conf; what the new search sets wins over what it had set."""
    project, root, _, _ = finished

    output, code = search_once(
        project, tmp_path / "R", root / "3r0+crash=False+gamma=0.9" / "alf_config.py"
    )

    assert 0 == code, output
    text = (tmp_path / "R" / "0r0+gamma=0.9" / "alf_config.py").read_text()
    assert 1 == text.count("alf.pre_config(")
    assert 1 == text.count("'ActorCriticLoss.gamma': 0.9,")
    assert "'TrainerConfig.random_seed': 40," in text
    assert "'crash': False," in text


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"ActorCriticLoss.gama": [0.5]}, ["'ActorCriticLoss.gama'", "ActorCriticLoss.gamma"]),
        ({"ActorCriticLoss.gamma": [0.5, "high"]}, ["ActorCriticLoss.gamma", "'high'", "float"]),
        ({"create_environment.env_name": ["NoSuchEnv-v0"]}, ["NoSuchEnv"]),
    ],
    ids=["unknown name", "value of another type", "unknown environment"],
)
def test_mistakes_are_found_before_anything_starts(tmp_path, capsys, parameters, words):
    """A parameter that is not there, or a value that cannot be right, leaves nothing behind."""
    search = tmp_path / "s.json"
    search.write_text(json.dumps({"parameters": parameters}))
    conf = ROOT / "alf" / "examples" / "tutorial" / "minimal_example_conf.py"
    flags = ["--root_dir", str(tmp_path / "R"), "--search_config", str(search)]

    code = grid_search.main([*flags, "--conf", str(conf)])

    error = capsys.readouterr().err
    assert code in (1, 2)
    for word in words:
        assert word in error
    assert not (tmp_path / "R").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--root_dir", "{tmp}/none"], "no search in"),
        (["--root_dir", "{tmp}/none", "--ray_address", "x:1"], "needs --executor ray"),
        (["--root_dir", "{tmp}/none", "--executor", "cloud"], "executor"),
        (["--root_dir", "{tmp}/none", "--conf", "c.py"], "needs --search_config"),
        (["--root_dir", "{tmp}/none", "--search_config", "s"], "needs --conf"),
        (["--root_dir", "{tmp}/none", "--conf_param", "a.b=1"], "belongs to a new search"),
        (["--root_dir", "{tmp}/file"], "is a file"),
        (["--root_dir", "{tmp}/job"], "folder of a training job"),
        ([], "--root_dir is needed"),
        (["--worker", "3"], "no flag --worker"),
    ],
)
def test_wrong_use(tmp_path, capsys, arguments, words):
    """Each wrong use exits with 2 and says what to do."""
    (tmp_path / "file").write_text("")
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "alf_config.py").write_text("")

    assert 2 == grid_search.main([argument.format(tmp=tmp_path) for argument in arguments])
    assert words in capsys.readouterr().err


def test_searched_and_given(tmp_path, capsys):
    """A parameter is either searched or given for all."""
    (tmp_path / "s.json").write_text('{"parameters": {"A.x": [1]}}')
    (tmp_path / "c_conf.py").write_text("")
    flags = ["--root_dir", str(tmp_path / "R"), "--search_config", str(tmp_path / "s.json")]

    code = grid_search.main([*flags, "--conf", str(tmp_path / "c_conf.py"), "--conf_param=A.x=2"])

    assert 2 == code
    assert "'A.x' is given by --conf_param and searched" in capsys.readouterr().err


def test_trains_flags_reach_the_jobs():
    """Flags that were given go to each job; those of the search itself do not."""
    flags = grid_search.FLAGS
    argv = ["alf", "--root_dir=/r", "--noforce_torch_deterministic", "--nostore_snapshot"]
    flags(argv)

    assert ["--noforce_torch_deterministic"] == grid_search._passed_on(flags)
