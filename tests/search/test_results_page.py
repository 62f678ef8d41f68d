import html
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from alf._config import literal
from alf.search.curves import interpolated, read_curves
from alf.search.executor import Outcome
from alf.search.expansion import expand
from alf.search.importance import explained_share, importances, seed_share
from alf.search.journal import Journal
from alf.search.record import Submission, plain_runs
from alf.search.report import write_reports
from alf.search.results import RunResult, collect, rank
from alf.search.spec import SearchSpec

EVIL = "</script><img src=x onerror=document.title='hacked'>"


def result(run, average_return):
    return RunResult(run, 0, "finished", "", 0, average_return, {})


def test_share_by_hand():
    """Epsilon squared: one less the variance within groups over that of all."""
    # Within: (1 + 1) + (1 + 1) = 4 over 4 - 2; in all, mean 6: 9 + 1 + 1 + 9 = 20... over 3.
    groups = [[3.0, 5.0], [7.0, 9.0]]

    assert explained_share(groups) == pytest.approx(1 - (4 / 2) / (20 / 3))
    assert explained_share([[3.0, 9.0], [5.0, 7.0]]) == 0.0  # no more than chance
    assert explained_share([[1.0, 1.0], [2.0, 2.0]]) == 1.0
    assert explained_share([[1.0], [2.0]]) is None
    assert explained_share([[1.0, 1.0], [1.0]]) is None
    assert explained_share([]) is None


def test_which_parameter_mattered():
    """The parameter that moves the return comes first, with its values in order."""
    values = {"A.x": (literal(10), literal(9), literal(1)), "A.y": (literal("a"), literal("b"))}
    runs = expand(SearchSpec(values, repeats=2))
    results = [
        result(run, run.parameters["A.x"].value + 0.1 * run.repeat) for run in reversed(runs)
    ]

    first, second = importances(results)

    assert ("A.x", "A.y") == (first.name, second.name)
    assert first.share is not None
    assert first.share > 0.99
    assert 0.0 == second.share
    assert ["1", "9", "10"] == [group.label for group in first.groups]
    assert {4} == {len(group.returns) for group in first.groups}
    share = seed_share(results)
    assert share is not None
    assert 0.0 < share < 0.01
    assert [] == importances([replace(results[0], average_return=None)])


def test_many_numbers_are_four_parts():
    """A parameter with a number for each run is looked at in quarters."""
    runs = expand(SearchSpec({"A.x": tuple(literal(k / 16) for k in range(16))}))
    results = [result(run, math.floor(run.index / 4)) for run in runs]

    (found,) = importances(results)

    assert 1.0 == found.share
    assert ["0 to 0.1875", "0.25 to 0.4375"] == [group.label for group in found.groups[:2]]


def test_interpolation_by_hand():
    """A curve is straight between its points, and is not there before and after them."""
    points = [(1.0, 10.0), (3.0, 20.0), (3.0, 30.0), (5.0, 10.0)]

    assert [None, 10.0, 15.0, 20.0, 20.0, 10.0, None] == interpolated(
        points, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    )
    assert [None, 7.0, None] == interpolated([(2.0, 7.0)], [1.0, 2.0, 3.0])


@pytest.fixture
def search(tmp_path):
    """Four combinations, twice each, with names and errors that would like to be HTML."""
    root = tmp_path / "R & <b>"
    values = {"A.x": tuple(map(literal, (1, 2))), "A.y": (literal(EVIL), literal("{{data}}"))}
    spec = SearchSpec(values, repeats=2)
    runs = expand(spec)
    submission = Submission(
        "c", "", {}, plain_runs(runs), True, seed=7, desc=EVIL, space={n: [] for n in values}
    )
    journal = Journal(root)
    for run in runs:
        folder = root / run.name / "train"
        folder.mkdir(parents=True)
        rows = [{"iteration": 1, "env_steps": 5}] + [
            {"iteration": k, "env_steps": 10 * k, "Metrics/AverageReturn": k * (1.0 + run.repeat)}
            for k in range(2, 6)
        ]
        text = "".join(json.dumps(row) + "\n" for row in rows) + '{"iteration": 6, "env_'
        (folder / "metrics.jsonl").write_text(text)
        data = {"average_return": 5.0 * (1 + run.repeat), "env_steps": 50, "steps_per_s": 5.5}
        (folder / "result.json").write_text(json.dumps(data))
        journal.add(run.name, Outcome("finished", 0, "", 1.0))
    journal.add(runs[-1].name, Outcome("failed", 1, EVIL, 1.0))
    results = collect(root, submission, journal)
    write_reports(root, submission, results)
    return root, results


def test_curves(search):
    """A curve is the mean over repeats between their lowest and highest, over the steps."""
    root, results = search

    curves = read_curves(root, rank(results)[:1])

    assert "environment steps" == curves.over
    assert (20.0, 50.0) == (curves.x[0], curves.x[-1])
    (curve,) = curves.curves
    assert [(2.0, 3.0, 4.0), (5.0, 7.5, 10.0)] == [
        (curve.low[end], curve.mean[end], curve.high[end]) for end in (0, -1)
    ]


def test_a_mean_of_few_is_no_mean(search):
    """Where half of the repeats are over, the curve ends."""
    root, results = search
    path = root / results[0].run.name / "train" / "metrics.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:4]))

    (curve,) = read_curves(root, rank(results)[:1]).curves

    assert curve.mean[-1] is None
    assert curve.mean[60] == pytest.approx(3.0 / 20 * (20 + 30 * 60 / 149))


def page_of(root):
    return (root / "results.html").read_text()


def test_the_page_is_one_file(search):
    """Nothing is fetched, and nothing that stands in a name is HTML."""
    root, _ = search
    page = page_of(root)

    assert EVIL not in page
    assert 3 == page.count("</script>")  # the data, the charts, and the page's own
    assert "<title>Results of R &amp; &lt;b&gt;</title>" in page
    assert "{{data}}" in json.loads(data_of(page))["combinations"][1]["values"][1]
    assert not re.findall(r"(?:src|href)\s*=\s*[\"']?(?:https?:)?//", page)
    assert "default-src 'none'" in html.unescape(page)


def data_of(page):
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found is not None
    return found[1]


def test_what_the_page_knows(search):
    """The data of the page: states, spread, errors, and the commands of the best run."""
    root, results = search
    data = json.loads(data_of(page_of(root)))

    assert ["runs", "7 finished, 1 failed"] == data["facts"][0]
    assert ["x", "y"] == data["parameters"]
    top = data["combinations"][0]
    assert (7.5, 2, [5.0, 10.0]) == (
        top["mean"],
        top["finished"],
        [r["return"] for r in top["runs"]],
    )
    assert EVIL == data["combinations"][-1]["runs"][1]["error"]
    assert ["play", "train"] == [command["what"] for command in data["commands"]]
    assert results[1].run.name == data["best"]["run"]


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1200, "light")])
def test_in_a_browser(search, browser, width, scheme):
    """The page draws, sorts and unfolds without an error, and fits a telephone."""
    root, _ = search
    page = browser.new_page()
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda message: said.append(message.text))
    page.goto((Path(root) / "results.html").as_uri())
    page.wait_for_selector("#plot canvas")
    page.dblclick("th button >> text=finished")  # the fewest first
    page.click("tr.row >> nth=0")
    shown = page.inner_text("tr.runs >> nth=1")
    page.click("#legend button >> nth=0")

    assert [] == said
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert EVIL in shown  # as text
    assert "hacked" not in page.title()
    page.close()
