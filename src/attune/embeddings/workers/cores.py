"""How many of the cores each batch gets.

Cores that work on different batches never wait for each other; cores that work on one do, dozens of times a batch. So
texts share the cores while there are several, and one that is alone takes them all if it is long enough.
"""

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Cores:
    """`count` cores; a text of fewer than `alone_tokens` tokens gains little or nothing from more than one."""

    count: int
    alone_tokens: int

    def worth_another(self, ready_tokens: int) -> bool:
        """Whether a thread beside the first one is to compute what is ready: less is better computed by the first,
        with what comes meanwhile.
        """
        return ready_tokens >= self.alone_tokens

    def share(self, ready_tokens: int, computing: int) -> int:
        """The tokens that one thread takes of those that are ready, while `computing` others are at work."""
        free = max(1, self.count - computing)
        return max(-(-ready_tokens // free), self.alone_tokens)

    def threads(self, tokens: int, texts: int, computing: int) -> int:
        """The cores for a batch, when `computing` batches are at work, this one included.

        Several texts are better divided between the cores than computed by all of them together.
        """
        return self.count if texts == computing == 1 and tokens >= self.alone_tokens else 1

    @staticmethod
    def use(threads: int) -> None:
        """Let the calling thread compute with so many cores, whatever others do.

        torch keeps the number for each thread, but gives a thread the last number of all on its first question, which
        is why it is asked first.
        """
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
