"""The one exception whose message is meant for the person at the command line."""


class UserError(Exception):
    """Bad input: one line that names the file or option, what is wrong and what to do. The command line exits with status 2."""
