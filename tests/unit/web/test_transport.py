"""What is written in a turn of the event loop is sent once, at its end."""

import asyncio

import pytest

from app.web.transport import HELD_AT_MOST, TurnWrites


class Line(asyncio.Transport):
    """A transport that keeps what was sent, piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.aborted = False
        self.closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent.append(bytes(data))

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.aborted = self.closing = True

    def is_closing(self) -> bool:
        return self.closing


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
async def writes(line: Line) -> TurnWrites:
    return TurnWrites(line, asyncio.get_running_loop())


async def test_head_and_body_leave_in_one_piece(line: Line, writes: TurnWrites) -> None:
    writes.write(b"head ")
    writes.write(b"body")
    assert line.sent == []

    await asyncio.sleep(0)

    assert line.sent == [b"head body"]


async def test_later_turns_send_what_is_theirs(line: Line, writes: TurnWrites) -> None:
    for piece in (b"one", b"two"):
        writes.write(piece)
        await asyncio.sleep(0)

    assert line.sent == [b"one", b"two"]


async def test_long_piece_does_not_wait(line: Line, writes: TurnWrites) -> None:
    long = b"x" * HELD_AT_MOST
    writes.write(b"head ")
    writes.write(long)
    assert line.sent == [b"head " + long]

    writes.write(b"tail")
    await asyncio.sleep(0)

    assert line.sent == [b"head " + long, b"tail"]


async def test_closing_sends_what_is_held(line: Line, writes: TurnWrites) -> None:
    writes.write(b"last words")
    writes.close()

    assert line.sent == [b"last words"]
    assert line.closing
    await asyncio.sleep(0)
    assert line.sent == [b"last words"]


async def test_aborting_drops_what_is_held(line: Line, writes: TurnWrites) -> None:
    writes.write(b"last words")
    writes.abort()
    await asyncio.sleep(0)

    assert line.aborted
    assert line.sent == []


async def test_nothing_is_sent_to_a_client_that_left_within_the_turn(line: Line, writes: TurnWrites) -> None:
    writes.write(b"too late")
    line.closing = True
    await asyncio.sleep(0)

    assert line.sent == []
