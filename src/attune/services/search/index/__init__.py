"""The document index: dense vectors and BM25 over one engine, embedded or distributed.

Read `port` first (what the search service sees), then `qdrant` (the behaviour, written once), then the two
engines below it: `edge` (in this process, in a directory) and `server` (a Qdrant server or cluster).
"""
