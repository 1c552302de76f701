"""A process that works on an index and is killed at one of its changes of files."""

import subprocess
import sys
from pathlib import Path

_HEAD = """
import os, shutil, signal, sys
from pathlib import Path
import numpy as np
from attune.services.search.index.edge_shelf import open_edge_index
from attune.services.search.index.identity import IndexIdentity
from attune.services.search.index.port import Document, IndexedDocument

directory, fatal = Path(sys.argv[1]), int(sys.argv[2])
changes = 0

def dying(change):
    def do(*arguments, **options):
        global changes
        changes += 1
        if changes == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return change(*arguments, **options)
    return do

def put(into, texts, first=0):
    documents = [IndexedDocument.of(Document(str(first + i), "", text, "d")) for i, text in enumerate(texts)]
    into.upsert("acme", documents, np.ones((len(texts), 8), np.float32))
"""
"""`dying` wraps what changes files: of all such calls, the one numbered `fatal`, from 1, ends the process. 0: none."""


def run(script: str, directory: Path, fatal: int) -> "subprocess.CompletedProcess[str]":
    """Run a script that works on `directory` and prints its number of changes at the end."""
    # S603: the command is this interpreter and a script of the tests.
    return subprocess.run(  # noqa: S603
        [sys.executable, "-c", _HEAD + script, directory, str(fatal)], check=False, capture_output=True, text=True
    )
