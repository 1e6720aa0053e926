"""The first process in a terminal of its own: it starts the command there.

Run as a program, with three words for us and then the command: the descriptor of the
terminal, that of the pipe on which it says how the command fares, and the one that is
closed when it may end.

Without it nobody in the terminal's session would be the command's parent, and then no
system lets ctrl+z stop a command. Signals that it gets go on to the command; SIGCONT
lets one that was stopped run on.
"""

import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

PASSED = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
)

HEARD = {*PASSED, signal.SIGCHLD, signal.SIGCONT}
"""Signals that are waited for: blocked all the time, so that none is missed."""

CHANGED = (signal.SIGPIPE, signal.SIGXFSZ)
"""Signals that the interpreter ignores for itself."""

BEHIND = (signal.SIGTTIN, signal.SIGTTOU)
"""What stops a command that is not in front: whoever else was has gone."""


def main(words: "list[str]") -> int:
    """Run the command to its end; return 0, for how it ended is told."""
    terminal, tell, wait = map(int, words[:3])
    for descriptor in (tell, wait):
        os.set_inheritable(descriptor, False)
    for number in HEARD:
        signal.signal(number, _never)  # else some systems drop what is only ignored
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # to put the command in front
    os.login_tty(terminal)
    child = os.fork()
    if not child:
        _become(words[3:], before, tell)
    _lead(child)
    _say(tell, f"started {child}")
    _follow(child, tell)
    for descriptor in range(3):
        os.close(descriptor)
    os.read(wait, 1)
    return 0


def _never(_number: int, _frame: object) -> None:
    """Handle nothing: what is blocked is waited for."""


def _lead(child: int) -> None:
    """Make the command a group of its own, and put that in front."""
    try:
        os.setpgid(child, child)
        os.tcsetpgrp(0, child)
    except OSError:  # it did so itself, and has gone on
        return


def _become(words: "list[str]", mask: "Iterable[int]", tell: int) -> None:
    """Turn into the command; say why when that does not work."""
    try:
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpid())
        for number in (*HEARD, *CHANGED, signal.SIGTTOU):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.execvp(words[0], words)  # noqa: S606 - without a shell, on purpose
    except OSError as error:
        _say(tell, f"failed {error.errno}")
    finally:
        os._exit(127)


def _follow(child: int, tell: int) -> None:
    """Tell how the command fares until it ends."""
    while True:
        number = signal.sigwait(HEARD)
        if number == signal.SIGCHLD:
            if _changed(child, tell):
                return
        elif number == signal.SIGCONT:
            _go_on(child)
        else:
            os.kill(child, number)


def _changed(child: int, tell: int) -> bool:
    """Tell what has changed; return whether the command has ended."""
    found, status = os.waitpid(child, os.WNOHANG | os.WUNTRACED)
    if not found:
        return False
    if not os.WIFSTOPPED(status):
        code = os.waitstatus_to_exitcode(status)
        _say(tell, f"ended {code if code >= 0 else 128 - code}")
        return True
    if os.WSTOPSIG(status) in BEHIND:
        _go_on(child)
    else:
        _say(tell, f"stopped {os.WSTOPSIG(status)}")
    return False


def _go_on(child: int) -> None:
    os.tcsetpgrp(0, child)
    os.killpg(child, signal.SIGCONT)


def _say(tell: int, text: str) -> None:
    try:
        os.write(tell, f"{text}\n".encode())
    except OSError:  # nobody listens any more, and the terminal has gone with them
        return


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))
