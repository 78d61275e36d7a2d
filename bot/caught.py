"""How a piece of foreign code ended: its value, or what it raised. Nothing that it raises gets past."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

#: Characters of an exception's text that reach an agent (the platform's own client keeps as many).
LONGEST_REASON = 100


class Caught:
    """`with caught: caught.value = foreign()`.

    SystemExit is caught too: it would end a thread unheard, or the loop with everything in it. What cancels a
    task, and Ctrl-C, goes on, unless `everything` is caught: fit for a thread of its own.
    """

    def __init__(self, *, everything: bool = False) -> None:
        """Nothing has ended yet."""
        self._everything = everything
        self.value: object = None
        self.error: BaseException | None = None

    def __enter__(self) -> Self:
        """What is raised from here on is kept."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Keep it, unless it is not ours to keep."""
        if error is None or not (self._everything or isinstance(error, Exception | SystemExit)):
            return False
        self.error = error
        return True


def words_of(error: BaseException) -> str:
    """An exception in one short line. Reading its text is a call of foreign code once more."""
    read = Caught()
    with read:
        read.value = " ".join(str(error)[: 10 * LONGEST_REASON].split())[:LONGEST_REASON]
    return str(read.value or type(error).__name__)
