"""TFTP: the session as a state machine, and the worker process that gives it sockets and time."""
