"""A process that builds the vector graphs of one shard, and ends: its arguments are those of
`edge_graphs.Shape`, after the path.

The engine holds the interpreter lock while it builds: in the process that serves, nobody would be answered.
"""

import ctypes
import json
import sys
from contextlib import suppress

import qdrant_edge as edge

from attune.services.search.index.edge_shard import shard_config
from attune.services.search.index.settings import IndexSettings

_SET_PARENT_DEATH_SIGNAL = 1
_KILL = 9


def main() -> None:
    """Whoever starts this again need not share the machine with one that was left behind. Its threads give way to
    others: the engine sees to that.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, _KILL)  # Linux alone; elsewhere it ends when it is done
    path, dimension, settings = sys.argv[1:]
    config = shard_config(int(dimension), IndexSettings(**json.loads(settings)))
    shard = edge.EdgeShard.load(path, config)
    shard.optimize()
    shard.close()


if __name__ == "__main__":
    main()
