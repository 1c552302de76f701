"""Reading a topic into a state of one's own, effectively once: a worker, whose applier moves the offset with the state.

worker.py              polls, holds back, applies, tries again
backlog.py             what was read of each partition and is not applied yet
metrics.py             lag, batches, how old records are when they can be seen
readiness.py           whether records are applied now, and if not, why
dead_letter_limit.py   stops a worker where most records are bad
"""
