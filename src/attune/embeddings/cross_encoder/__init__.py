"""A cross-encoder, which reads a query and a text together and says how well one answers the other.

It computes in a process of its own, as the encoder does. Read `messages` first, then `engine` (this process) and
`scorer` (that one).
"""
