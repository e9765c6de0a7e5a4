"""The key that hashes of inputs are keyed with."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import Final

from app.main.errors import StartError
from app.state import StateDirectory, StateError

INPUT_KEY_BYTES: Final = 32
MIN_SECRET_BYTES: Final = 16


def read_input_key(path: Path | None, directory: StateDirectory | None) -> bytes:
    """The key that input hashes are hashed with.

    Of the secret in the file, whatever its length; else that of the state directory, or a random one.
    """
    if path is None and directory is not None:
        try:
            return directory.input_key()
        except StateError as error:
            message = f"--state-dir {error}"
            raise StartError(message) from error
    if path is None:
        return secrets.token_bytes(INPUT_KEY_BYTES)
    try:
        # Secrets are mounted with a line end or without.
        secret = path.read_bytes().strip()
    except OSError as error:
        message = f"--input-hash-key-file {path}: {error.strerror}"
        raise StartError(message) from error
    if len(secret) < MIN_SECRET_BYTES:
        message = (
            f"--input-hash-key-file {path}: the secret must have at least {MIN_SECRET_BYTES} bytes; "
            "`openssl rand -hex 32` makes one"
        )
        raise StartError(message)
    return hashlib.blake2b(secret, digest_size=INPUT_KEY_BYTES).digest()
