"""Which distributions count as imported."""

import sys
from types import ModuleType

from alf.snapshot.imported import imported_distributions


def module(file):
    made = ModuleType("made")
    made.__file__ = file
    return made


def test_modules_are_traced_to_their_distributions(tmp_path):
    """By `top_level.txt`, else by their own name; hooks and modules of the user's do not count."""
    site = tmp_path / "site-packages"
    for folder, names in {
        "opencv_python-5.0.dist-info": "cv2\n",
        "Farama_Notifications-1.0.dist-info": None,
        "setuptools-80.0.dist-info": "_distutils_hack\nsetuptools\n",
        "mine-1.0.dist-info": None,
        "never-1.0.dist-info": None,
    }.items():
        (site / folder).mkdir(parents=True)
        if names is not None:
            (site / folder / "top_level.txt").write_text(names)
    modules = {
        "cv2.gapi": module(str(site / "cv2" / "gapi" / "__init__.py")),
        "farama_notifications": module(str(site / "farama_notifications" / "__init__.py")),
        "_distutils_hack": module(str(site / "_distutils_hack" / "__init__.py")),
        "mine": module(str(tmp_path / "work" / "mine.py")),
        "never": module(None),
    }

    found = imported_distributions(modules, [str(site), str(tmp_path / "gone")])

    assert ["farama-notifications", "opencv-python"] == found


def test_this_process_has_imported_its_test_runner():
    """What really runs is found, and what is only installed is not."""
    found = imported_distributions(sys.modules, sys.path)

    assert "pytest" in found
    assert "ruff" not in found
