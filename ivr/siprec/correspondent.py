"""What a dialog says: answers to requests, and requests of its own."""

from collections.abc import Callable
from dataclasses import dataclass

from ivr.siprec.background import Background
from ivr.siprec.dialog import Dialog
from ivr.siprec.replies import Headers, Replies
from ivr.siprec.sdp import Accepts
from ivr.siprec.transactions import ServerTransaction, Transactions


@dataclass(frozen=True, slots=True)
class Terms:
    """What all sessions of a server share.

    Args:
        accepts: whether sound of an encoding can be decoded.
        gone: told by its key when a dialog needs no more requests of the other side.
    """

    accepts: Accepts
    replies: Replies
    transactions: Transactions
    background: Background
    gone: Callable[[tuple[str, str]], None]


class Correspondent:
    """Speaks for one dialog."""

    def __init__(self, dialog: Dialog, terms: Terms) -> None:
        self._dialog, self._terms = dialog, terms

    def reply(
        self,
        transaction: ServerTransaction,
        status: int,
        reason: str,
        headers: Headers = (),
        body: bytes = b"",
        unacknowledged: Callable[[], object] | None = None,
    ) -> None:
        """Answer a request of the other side."""
        self._terms.replies.send(
            transaction,
            status,
            reason,
            to_tag=self._dialog.tag,
            headers=headers,
            body=body,
            unacknowledged=unacknowledged,
        )

    def later(self, transaction: ServerTransaction, status: int, reason: str, wait_s: int) -> None:
        """Refuse, and say when it may be tried again."""
        self.reply(transaction, status, reason, (("Retry-After", str(wait_s)),))

    async def ask(self, method: str, headers: Headers = ()) -> int:
        """A request of ours: its final status, 408 when none comes."""
        flow = self._dialog.flow
        contact = self._terms.replies.contact(flow)
        data, branch = self._dialog.request(method, contact, headers)
        response = await self._terms.transactions.ask(data, branch, flow)
        return 408 if response is None else response.status or 408

    def say_bye(self) -> None:
        """BYE; goes on behind until it is answered."""
        self._terms.background.start(self._bye())
        self._terms.gone(self._dialog.key)

    async def _bye(self) -> None:
        await self.ask("BYE")
