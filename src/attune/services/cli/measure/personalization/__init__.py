"""`attune eval personalization`: what a session and a history are worth, and to whom they do harm."""
