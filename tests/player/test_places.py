"""What commands find out before anything is started."""

import subprocess
import sys


def test_flags_are_looked_at_without_torch():
    """A replay with its snapshot runs in a process of its own, and one loads torch, not two."""
    code = (
        "import sys; from alf.player.places import check_record_files, has_display\n"
        "check_record_files(['x.mp4']); has_display()\n"
        "print([name for name in ('torch', 'numpy', 'cv2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.stdout == "[]\n", done.stderr
