"""What a person told with a request does not outlive its term; that it was answered does."""

from datetime import timedelta

from ivr.facts.rights import RequestKind, RequestState, SubjectRequest
from tests.fakes.kept_site import KeptSite

PERSONAL = (b"912345678", "Nguyễn Văn An".encode(), b"an@example.vn", "đã gửi ông An".encode())


def test_the_sweep_erases_answered_requests_to_the_last_byte(tmp_path):
    site = KeptSite(tmp_path / "data", rights={"erase_after_days": 30})

    async def ask(keeper):
        desk = keeper.ledger.requests_of_people
        wanted = SubjectRequest(
            "", RequestKind.VIEW, RequestState.OPEN, keeper.clock.now(), "+84912345678",
            "Nguyễn Văn An", "an@example.vn", "gọi lại", "xin xem", False,
        )  # fmt: skip
        entered = await desk.add(wanted, "Hiền")
        return await desk.answer(entered.reference, RequestState.DONE, "Hiền", "đã gửi ông An")

    async def sweep(keeper):
        await keeper.sweep()
        (left,) = await keeper.ledger.requests_of_people.requests()
        files = [path for path in site.root.rglob("*") if path.is_file()]
        return left, [path for path in files if any(w in path.read_bytes() for w in PERSONAL)]

    answered = site.run(ask)
    assert site.run(sweep)[0] == answered
    site.clock.wall += timedelta(days=31)
    left, telling = site.run(sweep)
    assert (left.reference, left.state, left.number) == (answered.reference, "done", "")
    assert telling == []  # the write-ahead log of the open ledger included
