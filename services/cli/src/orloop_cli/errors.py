"""What the person at the keyboard can mend: an error, and the next step."""


class LauncherError(Exception):
    """Something outside the program is missing or wrong; shown without a traceback, exit code 2.

    Parameters
    ----------
    message
        'Expected X, got Y', in one or more lines.
    hint
        The next step, printed as a line that starts with 'Maybe'.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nMaybe {self.hint}" if self.hint else self.message
