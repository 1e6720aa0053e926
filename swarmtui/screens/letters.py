"""Orders about letters: messages that a subscription gave up."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from agentkit.rows import Letter
from swarmtui.modals.confirm import SureSheet
from swarmtui.screens import errands
from swarmtui.screens.base import SwarmScreen
from swarmtui.text import plural, safe


class LetterScreen(SwarmScreen):
    """A view in which letters can be chosen, requeued and discarded."""

    def letters(self) -> list[Letter]:
        """Return the marked letters, else the one under the cursor."""
        raise NotImplementedError

    def letters_ordered(self) -> None:
        """Note that an order about the chosen letters was given."""

    def action_requeue(self) -> None:
        """Give letters to their subscriptions once more; ask when they are several."""
        letters = self.letters()
        if len(letters) < 2:
            self._requeue(letters, agreed=True)
            return
        sheet = SureSheet(
            "Requeue?", requeue_question(letters), len(letters), "letters"
        )
        self.app.push_screen(sheet, partial(self._requeue, letters))

    def _requeue(self, letters: Sequence[Letter], agreed: bool | None) -> None:
        if agreed:
            self._order(self.console.swarm.unbury, "requeued", letters)

    def action_discard(self) -> None:
        """Discard letters, after a question."""
        letters = self.letters()
        sheet = SureSheet(
            "Discard?", discard_question(letters), len(letters), "letters"
        )
        self.app.push_screen(sheet, partial(self._discard, letters))

    def _discard(self, letters: Sequence[Letter], agreed: bool | None) -> None:
        if agreed:
            self._order(self.console.swarm.discard, "discarded", letters)

    def _order(
        self,
        wish: Callable[[str], Awaitable[Any]],
        done: str,
        letters: Sequence[Letter],
    ) -> None:
        """Give an order for each letter, then say what became of them."""
        self.letters_ordered()

        async def run() -> None:
            refused = await errands.each(letters, lambda letter: wish(letter.id))
            if refused:
                more = f", and {len(refused) - 1:,} more" if len(refused) > 1 else ""
                self.console.tell(f"{refused[0]}{more}", error=True)
            if left := len(letters) - len(refused):
                self.say(f"{done} {plural(left, 'letter')}", "done")

        self.run_worker(run(), group="orders")


def requeue_question(letters: Sequence[Letter]) -> str:
    """Return what to ask before several letters are requeued."""
    many = plural(len(letters), "letter")
    return f"{many} go once more to the subscriptions that gave them up."


def discard_question(letters: Sequence[Letter]) -> str:
    """Return what to ask before letters are discarded."""
    if len(letters) > 1:
        return (
            f"Nobody gets these {len(letters):,} letters again. This cannot be taken "
            "back."
        )
    (letter,) = letters
    words = f"{letter.subject} for {letter.subscription}"
    return safe(f"{words}: nobody gets it again. This cannot be taken back.")
