"""What is measured without a server: in a process of its own, so that torch's threads stay out of the load generator's.

Only the worker imports torch; the bench talks to it in lines of JSON.
"""
