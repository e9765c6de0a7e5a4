"""The secret that input hashes are hashed with: read once, never shown."""

import pytest

from app.main import StartError
from tests.service import service

SECRET = b"0123456789abcdef"


def key_of(path=None):
    with service(input_hash_key_file=path) as running:
        return running.services.limits.input_key


def test_replicas_with_the_same_secret_have_the_same_key(tmp_path):
    """With a line end behind it or without, as the tools write it that mount secrets."""
    bare, ended, other = tmp_path / "bare", tmp_path / "ended", tmp_path / "other"
    bare.write_bytes(SECRET)
    ended.write_bytes(SECRET + b"\n")
    other.write_bytes(SECRET * 100)

    assert key_of(bare) == key_of(ended)
    assert len({SECRET, key_of(bare), key_of(other)}) == 3


def test_without_a_file_each_process_has_a_key_of_its_own():
    """Nothing that is kept can be looked up by whoever knows the code."""
    assert key_of() != key_of()
    assert len(key_of()) == 32


@pytest.mark.parametrize(
    ("content", "message"),
    [(SECRET[1:] + b"\n", "at least 16 bytes"), (b"", "at least 16 bytes"), (None, "No such file")],
)
def test_a_secret_that_is_missing_or_too_short_stops_the_start(tmp_path, content, message):
    """With the setting, the file and what is wanted, and without the secret."""
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(StartError, match=rf"--input-hash-key-file .*key: .*{message}") as raised:
        key_of(path)

    assert SECRET[1:].decode() not in str(raised.value)


def test_only_labels_of_the_settings_are_kept():
    """The names reach the decoder."""
    with service(slice_labels=("locale",)) as running:
        assert frozenset({"locale"}) == running.services.limits.slice_labels
