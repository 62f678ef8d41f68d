"""Checkpoints that have no way to be proved raise no alarm."""

import pytest

from alf.snapshot.pack import BLOB
from alf.snapshot.proving import Proof, prove_checkpoints
from alf.snapshot.store import FILE_MODE, Blob, Store


def store_code(root_dir, *paths: str) -> None:
    """A snapshot of empty files, which made checkpoint 3."""
    with Store(root_dir, create=True) as store:
        with store.pack_writer() as pack:
            blobs = {path: Blob(pack.add(BLOB, b"").hex(), FILE_MODE) for path in paths}
            name = store.commit(blobs, "summary", {}, pack, None, 1_900_000_000)
        store.move_main(name)
        store.tag_checkpoint(name, 3)


@pytest.mark.parametrize(
    ("paths", "told"),
    [
        (("alf/bin/prove.py",), "no alf_config.py says what to run"),
        (("alf/bin/play.py", "alf_config.py"), "the code that made it is older than such proofs"),
    ],
)
@pytest.mark.parametrize("retrain", [False, True])
def test_code_that_cannot_prove_itself_is_not_run(tmp_path, paths, told, retrain):
    """Nothing is started, and the reader hears why."""
    store_code(tmp_path, *paths)
    proofs = prove_checkpoints(tmp_path, [3], retrain=retrain)

    assert proofs == [Proof(3, "retrain" if retrain else "fingerprint", "absent", told)]
    assert proofs[0].holds


def test_a_checkpoint_without_a_snapshot_is_not_proved(tmp_path):
    """A job may store none."""
    store_code(tmp_path, "alf_config.py")
    told = "no snapshot holds the code that made it"

    assert prove_checkpoints(tmp_path, [5]) == [Proof(5, "fingerprint", "absent", told)]


@pytest.mark.parametrize(
    ("kind", "holding"),
    [("fingerprint", {"exact", "close", "absent"}), ("retrain", {"exact", "absent"})],
)
def test_what_holds(kind, holding):
    """Answers may be close; what is trained again may not."""
    words = ("exact", "close", "differs", "absent")

    assert {word for word in words if Proof(1, kind, word, "").holds} == holding
