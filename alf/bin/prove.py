"""Check checkpoints with the code of this process; `alf snapshot verify` starts it.

It runs in a process of its own with the code that made the checkpoints, and writes what it finds
to a file: `{"40": {"fingerprint": {"word": "exact", "told": "..."}, ...}}`.
"""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from absl import flags, logging

from alf import process
from alf.bin import command

FLAGS = flags.FlagValues()
flags.DEFINE_string("root_dir", None, "The job's folder.", flag_values=FLAGS)
flags.DEFINE_multi_integer("checkpoint_step", [], "The checkpoints.", flag_values=FLAGS)
flags.DEFINE_bool("retrain", False, "Train the first one again instead.", flag_values=FLAGS)
flags.DEFINE_string("to", None, "The file for the outcome.", flag_values=FLAGS)


def main(argv: Sequence[str]) -> int:
    """Run the command; returns its exit code."""
    return command.main(_prove, FLAGS, __doc__, argv, program="python -m alf.bin.prove")


def _prove(flag_values: flags.FlagValues) -> int:
    from alf import snapshot

    # Whatever the job's code prints must not get into the report of who started this.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    logging.set_verbosity(logging.WARNING)
    root_dir = Path(command.required(flag_values, "root_dir", "/tmp/my_job"))
    to = Path(command.required(flag_values, "to", "/tmp/proofs.json"))
    snapshot.prove()
    conf = snapshot.conf_to_run(root_dir)
    steps: list[int] = flag_values["checkpoint_step"].value or []
    if flag_values["retrain"].value:
        with process.importing():
            from alf.trainers.retrain import retrain

        proofs = {steps[0]: {"retrain": retrain(root_dir, conf, steps[0])}}
    else:
        with process.importing():
            from alf.trainers.proof import prove_checkpoints

        proofs = prove_checkpoints(root_dir, conf, steps)
    told = {n: {kind: asdict(v) for kind, v in of.items()} for n, of in proofs.items()}
    to.write_text(json.dumps(told))
    return 0


if __name__ == "__main__":
    process.run(main)
