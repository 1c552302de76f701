"""Who may keep files in a data directory: a role of one process at a time.

<role>.lock   held (flock) by the process that runs the role there; it holds that process's id
"""

import fcntl
import os
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path

from attune.services.runtime.config import Config, ConfigError, RoleName


class DirectoryInUseError(ConfigError):
    """Another process runs the role in this data directory; the message says which, and the mend."""


class DataDirectory:
    """The locks of this process on its data directory. They fall with `release`, or with the process."""

    def __init__(self, locks: ExitStack) -> None:
        self._locks = locks

    @classmethod
    def lock(cls, config: Config, roles: Collection[RoleName]) -> "DataDirectory":
        """Lock the data directory for those of `roles` that keep files there; make it where it is missing.

        Raises:
            DirectoryInUseError: another process runs one of the roles there.
            ConfigError: the directory cannot be written.
        """
        with ExitStack() as locks:
            for role in sorted(set(roles) & _keeping_files(config)):
                locks.callback(os.close, _locked(config.data_dir, role))
            return cls(locks.pop_all())

    def release(self) -> None:
        """Let another process have the directory."""
        self._locks.close()


def _keeping_files(config: Config) -> set[RoleName]:
    """Search keeps none where its index is on a server: there may be many of it."""
    keeping = {RoleName.KNOWLEDGE, RoleName.INGEST}
    return keeping if config.qdrant_url else keeping | {RoleName.SEARCH}


def _locked(directory: Path, role: RoleName) -> int:
    path = directory / f"{role}.lock"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise ConfigError(
            f"ATTUNE_DATA_DIR: {path} cannot be written ({error.strerror}); name a directory that can"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    except OSError as error:
        holder = os.pread(descriptor, 20, 0).decode(errors="replace")
        os.close(descriptor)
        raise _refusal(directory, role, holder, error) from error
    return descriptor


def _refusal(directory: Path, role: RoleName, holder: str, error: OSError) -> ConfigError:
    mend = "set ATTUNE_DATA_DIR to another directory"
    if not isinstance(error, BlockingIOError):
        return ConfigError(f"ATTUNE_DATA_DIR: {directory} cannot be locked ({error.strerror}); {mend}")
    process = f"process {holder}" if holder else "another process"
    return DirectoryInUseError(f"{directory} is in use: {process} runs the {role} role there; stop it, or {mend}")
