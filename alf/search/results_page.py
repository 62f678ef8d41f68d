"""`results.html`: one file that shows how a search went, in any browser, without a network."""

import base64
import hashlib
import html
import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

from alf.search.curves import read_curves
from alf.search.expansion import abbreviations
from alf.search.importance import Importance, importances, seed_share
from alf.search.record import Submission
from alf.search.results import Combination, RunResult, rank, shown_parameters

PAGE_FILE = "results.html"

# Curves of more combinations than this would be a page that takes seconds to load.
_MOST_CURVES = 40


def write_page(
    root_dir: Path,
    submission: Submission,
    results: Sequence[RunResult],
    commands: Mapping[str, str],
) -> Path:
    """Write the page, whole or not at all; returns its path.

    Args:
        root_dir: the folder of the search.
        submission: the search.
        results: every job of it.
        commands: what to do with the best run -> how; empty where there is none.
    """
    path = root_dir / PAGE_FILE
    partial = path.with_name(f".{PAGE_FILE}.partial-{os.getpid()}")
    data = page_data(root_dir, submission, results, commands)
    partial.write_text(_page(data, f"Results of {root_dir.name}"), encoding="utf-8")
    partial.replace(path)
    return path


def page_data(
    root_dir: Path,
    submission: Submission,
    results: Sequence[RunResult],
    commands: Mapping[str, str],
) -> dict[str, Any]:
    """All that the page shows, as plain data."""
    ranked = rank(results)
    short = abbreviations(submission.names)
    curves = read_curves(root_dir, ranked[:_MOST_CURVES])
    best = ranked[0].best if ranked else None
    return {
        "name": root_dir.name,
        "desc": submission.desc,
        "facts": _facts(root_dir, submission, results),
        "parameters": [short[name] for name in submission.names],
        "combinations": [_combination(combination) for combination in ranked],
        "best": None if best is None else {"run": best.run.name, "return": best.average_return},
        "commands": [{"what": what, "command": how} for what, how in commands.items()],
        "importance": [_importance(one, short) for one in importances(results)],
        "seed_share": seed_share(results),
        "curves": asdict(curves),
    }


def _facts(
    root_dir: Path, submission: Submission, results: Sequence[RunResult]
) -> list[tuple[str, str]]:
    states = [result.state for result in results]
    counts = {state: states.count(state) for state in dict.fromkeys(states)}
    left = submission.total - len(results)
    if left > 0:
        counts["waiting"] = counts.get("waiting", 0) + left
    found = [
        ("runs", ", ".join(f"{count} {state}" for state, count in counts.items()) or "none yet"),
        ("search", submission.search),
        ("repeats", str(submission.repeats)),
        ("conf", submission.conf),
        ("folder", str(root_dir)),
    ]
    if submission.snapshot_id is not None:
        found.append(("snapshot", submission.snapshot_id[:12]))
    return found


def _combination(combination: Combination) -> dict[str, Any]:
    first = combination.runs[0].run
    return {
        "index": first.index,
        "values": [value for _, value in shown_parameters(first)],
        "mean": combination.mean,
        "std": combination.std,
        "finished": combination.finished,
        "runs": [_run(result) for result in combination.runs],
    }


def _run(result: RunResult) -> dict[str, Any]:
    return {
        "name": result.run.name,
        "seed": result.seed,
        "state": result.state,
        "return": result.average_return,
        "steps": result.facts.get("env_steps"),
        "steps_per_s": result.facts.get("steps_per_s"),
        "tries": result.tries,
        "error": result.error,
    }


def _importance(one: Importance, short: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": short[one.name],
        "share": one.share,
        "groups": [
            {
                "label": group.label,
                "mean": math.fsum(group.returns) / len(group.returns),
                "low": min(group.returns),
                "high": max(group.returns),
                "count": len(group.returns),
            }
            for group in one.groups
        ],
    }


def _page(data: Mapping[str, Any], title: str) -> str:
    """The page with its data; whatever a name holds, nothing of it is run."""
    texts = {
        "title": html.escape(title),
        "licence": _read("player/html/vendor/LICENSE.uPlot").strip(),
        "chart_style": _read("player/html/vendor/uPlot.min.css"),
        "style": _read("search/page/results.css"),
        "data": _as_script_text(data),
        "chart_script": _read("player/html/vendor/uPlot.iife.min.js"),
        "script": _read("search/page/results.js"),
    }
    scripts = " ".join(_digest(texts[name]) for name in ("chart_script", "script"))
    styles = " ".join(_digest(texts[name]) for name in ("chart_style", "style"))
    texts["policy"] = html.escape(
        f"default-src 'none'; script-src {scripts}; style-src {styles}; img-src data:; "
        "base-uri 'none'; form-action 'none'",
        quote=True,
    )
    # Each name is replaced once: what is put in is not looked at again.
    return re.sub(
        r"\{\{(\w+)\}\}", lambda found: texts[found[1]], _read("search/page/results.html")
    )


def _as_script_text(data: Mapping[str, Any]) -> str:
    text = json.dumps(_finite(data), allow_nan=False, separators=(",", ":"))
    # Inside a script element, only "<" can end it.
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _finite(data: Any) -> Any:
    """JSON has no NaN and no infinity: they become `null`."""
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


def _digest(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _read(name: str) -> str:
    return resources.files("alf").joinpath(name).read_text("utf-8")
