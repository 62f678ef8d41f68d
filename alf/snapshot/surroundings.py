"""What a job depends on besides its code: distributions, Python, the machine, git state.

Nothing here is ever fatal: what cannot be found out is left away or says so in words. The host's
name and the environment at large stay out; they are nobody's business and may hold secrets.
"""

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

from alf.snapshot.git_cache import GitCache
from alf.snapshot.git_state import describe_git
from alf.snapshot.imported import imported_distributions
from alf.snapshot.records import Package

# Variables that change what a job computes. Anything not listed may hold a secret.
_VARIABLES = re.compile(
    r"PYTHONHASHSEED|PYTHONOPTIMIZE|(OMP|MKL|OPENBLAS|NUMEXPR|VECLIB)_\w*THREADS|OMP_PROC_BIND"
    r"|OMP_SCHEDULE|OMP_DYNAMIC|KMP_\w+|GOMP_CPU_AFFINITY|CUDA_VISIBLE_DEVICES|CUDA_LAUNCH_BLOCKING"
    r"|CUBLAS_WORKSPACE_CONFIG|CUDA_DEVICE_ORDER|NVIDIA_TF32_OVERRIDE|TORCH_\w*(DETERMINISTIC|TF32)\w*"
    r"|MUJOCO_GL|PYOPENGL_PLATFORM|SDL_VIDEODRIVER|DISPLAY|XLA_FLAGS|LC_ALL|LANG|TZ"
)
_NVIDIA_SECONDS = 2.0


def describe_surroundings(
    packages: Iterable[Package], cache: GitCache | None = None
) -> dict[str, Any]:
    """Everything about the surroundings that does not change from one start to the next.

    Args:
        packages: what was captured; the git state of each of their folders is recorded.
        cache: remembers git states, or None.

    Returns:
        JSON: `python`, `platform`, `cpu`, `threads`, `environment`, `distributions`, `imported`,
        `sources`, and `torch` and `gpus` where there are any.
    """
    roots = sorted({package.root for package in packages})
    found: dict[str, Any] = {
        "python": {
            "version": platform.python_version(),
            "implementation": platform.python_implementation(),
            "build": " ".join(platform.python_build()),
            "executable": sys.executable,
        },
        "platform": {
            "system": platform.system(),
            "release": platform.release(),
            "machine": platform.machine(),
            "libc": " ".join(platform.libc_ver()).strip(),
        },
        "cpu": {"model": _cpu_model(), "count": os.cpu_count()},
        "environment": {
            name: value for name, value in sorted(os.environ.items()) if _VARIABLES.fullmatch(name)
        },
        "distributions": installed_distributions(sys.path),
        "imported": imported_distributions(sys.modules, sys.path),
        "sources": {
            root: state for root in roots if (state := describe_git(Path(root), cache)) is not None
        },
    }
    return found | _torch_facts()


def installed_distributions(import_path: Iterable[str]) -> dict[str, str]:
    """Name -> version of every installed distribution, with ` @ origin` if from a URL or folder.

    Reads folder names, which hold both by specification
    (https://packaging.python.org/en/latest/specifications/recording-installed-packages/), and so
    takes a millisecond where `importlib.metadata` parses hundreds of files. The first on the path
    wins.
    """
    found: dict[str, str] = {}
    for entry in dict.fromkeys(import_path):
        try:
            folders = sorted(os.listdir(entry or "."))  # noqa: PTH208 -- thousands of names, no Path needed
        except OSError:
            continue  # zip files and folders that do not exist are allowed on the path
        for folder in folders:
            match = re.fullmatch(r"(.+?)-([^-]+?)(-py[\d.]+)?\.(dist-info|egg-info)", folder)
            if match:
                name = re.sub(r"[-_.]+", "-", match[1]).lower()
                origin = _origin(Path(entry, folder, "direct_url.json"))
                found.setdefault(name, match[2] + origin)
    return dict(sorted(found.items()))


def _origin(path: Path) -> str:
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return ""
    if not isinstance(data, dict):
        return ""
    record = cast(dict[str, Any], data)
    url = without_credentials(str(record.get("url", "")))
    vcs = cast(dict[str, Any], record.get("vcs_info") or {})
    directory = cast(dict[str, Any], record.get("dir_info") or {})
    commit = f"#{vcs['commit_id']}" if "commit_id" in vcs else ""
    return f" @ {url}{commit}{' (editable)' if directory.get('editable') else ''}"


def without_credentials(url: str) -> str:
    """A URL without user name, password and query, any of which may be a token."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(not a URL)"
    if not parts.scheme or not parts.netloc:
        # git's short form, user@host:path: the user is almost always `git`, and never needed.
        return url.rpartition("@")[2] if "@" in url else url
    return urlunsplit((parts.scheme, host + port, parts.path, "", ""))


def _cpu_model() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith(("model name", "Hardware", "Model")):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _torch_facts() -> dict[str, Any]:
    """What torch knows, if the job uses torch at all; the snapshot alone never imports it."""
    torch: Any = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "get_num_threads"):
        return {}
    facts: dict[str, Any] = {
        "version": str(torch.__version__),
        "threads": torch.get_num_threads(),
        "cuda": torch.version.cuda,
        "deterministic": bool(torch.are_deterministic_algorithms_enabled()),
    }
    if torch.version.cuda is None or not torch.cuda.is_available():
        return {"torch": facts}
    facts["cudnn"] = torch.backends.cudnn.version()
    names = [str(torch.cuda.get_device_name(i)) for i in range(torch.cuda.device_count())]
    return {"torch": facts, "gpus": {"names": names, "driver": _driver()}}


def _driver() -> str:
    """The version of the NVIDIA driver, from the kernel where it says so."""
    try:
        text = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return _asked_driver()
    match = re.search(r"\b(\d{3,}\.\d+(\.\d+)?)\b", text)
    return match[1] if match else "unknown"


def _asked_driver() -> str:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=_NVIDIA_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return answer.stdout.partition("\n")[0].strip()
