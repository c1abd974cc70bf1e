"""What keeps a process from going on until a person has mended something."""


class Fault(Exception):
    """The message is one line for that person: what is wrong, where, and what to do. The words of another program, such
    as the end of its log, may follow.

    A command of the command line prints it and exits with 1. It is no refusal, which is an answer to a command, and no
    assertion, which is a bug of ours.
    """
