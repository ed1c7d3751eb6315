import asyncio

import pytest

from app.kota import KotaRateLimited, KotaServerError, Limiter
from app.kota.limiter import CallClass
from tests.unit.kota.kota_double import FakeTime, Kota, client_of, problem


class Crowd:
    """Calls that hold their slots until they are let go, and note how many held one at once."""

    def __init__(self, limiter: Limiter) -> None:
        self.limiter = limiter
        self.inside = 0
        self.most = 0
        self.order: list[int] = []
        self.door = asyncio.Event()

    async def call(self, number: int, call_class: CallClass = CallClass.PUSH) -> None:
        async with self.limiter.slot(call_class, operation="POST /x"):
            self.order.append(number)
            self.inside += 1
            self.most = max(self.most, self.inside)
            await self.door.wait()
            self.inside -= 1


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def slow_down(
    limiter: Limiter, *, retry_after: float | None = None, call_class: CallClass = CallClass.PUSH
) -> None:
    with pytest.raises(KotaRateLimited):
        async with limiter.slot(call_class, operation="POST /x"):
            raise KotaRateLimited("POST /x", status=429, retry_after=retry_after)


async def succeed(limiter: Limiter, call_class: CallClass = CallClass.PUSH) -> None:
    async with limiter.slot(call_class, operation="POST /x"):
        pass


async def test_no_more_calls_run_than_there_are_slots_and_all_come_in_their_turn() -> None:
    crowd = Crowd(Limiter(pushes=3))
    async with asyncio.TaskGroup() as tasks:
        for number in range(10):
            tasks.create_task(crowd.call(number))
        await settle()
        assert crowd.inside == 3
        crowd.door.set()
    assert crowd.most == 3
    assert crowd.order == list(range(10))


async def test_reads_and_sessions_do_not_queue_behind_pushes() -> None:
    crowd = Crowd(Limiter(pushes=1, reads=1))
    async with asyncio.TaskGroup() as tasks:
        for number, call_class in enumerate(
            [CallClass.PUSH, CallClass.PUSH, CallClass.READ, CallClass.SESSION, CallClass.SESSION]
        ):
            tasks.create_task(crowd.call(number, call_class))
        await settle()
        assert crowd.order == [0, 2, 3, 4]
        crowd.door.set()


async def test_one_who_stops_waiting_does_not_keep_the_place() -> None:
    crowd = Crowd(Limiter(pushes=1))
    first = asyncio.create_task(crowd.call(1))
    await settle()
    second, third = asyncio.create_task(crowd.call(2)), asyncio.create_task(crowd.call(3))
    await settle()
    second.cancel()
    await settle()
    crowd.door.set()
    await asyncio.gather(first, third)
    assert second.cancelled()
    assert crowd.order == [1, 3]


async def test_one_who_is_cancelled_in_the_moment_of_its_turn_passes_it_on() -> None:
    crowd = Crowd(Limiter(pushes=1))
    crowd.door.set()
    async with crowd.limiter.slot(CallClass.PUSH, operation="POST /x"):
        first, second = asyncio.create_task(crowd.call(1)), asyncio.create_task(crowd.call(2))
        await settle()
    # The slot is the first one's now, which has not run since.
    first.cancel()
    await second
    assert first.cancelled()
    assert crowd.order == [2]


async def test_a_429_halves_the_slots_and_pauses() -> None:
    time = FakeTime()
    limiter = Limiter(pushes=20, reads=4, clock=time.clock, sleep=time.sleep)
    await slow_down(limiter, retry_after=3.0)
    assert (limiter.allowed(CallClass.PUSH), limiter.allowed(CallClass.READ), limiter.pause) == (10, 2, 3.0)
    await succeed(limiter)
    assert time.slept == [3.0]
    assert limiter.pause == 0.0


async def test_a_429_without_a_time_pauses_for_a_second() -> None:
    time = FakeTime()
    limiter = Limiter(clock=time.clock, sleep=time.sleep)
    await slow_down(limiter, call_class=CallClass.SESSION)
    assert limiter.pause == 1.0


async def test_many_429s_of_one_moment_count_once() -> None:
    time = FakeTime()
    limiter = Limiter(pushes=20, clock=time.clock, sleep=time.sleep)
    door = asyncio.Event()

    async def refused() -> None:
        async with limiter.slot(CallClass.PUSH, operation="POST /x"):
            await door.wait()
            time.now += 0.01
            raise KotaRateLimited("POST /x", status=429, retry_after=0.5)

    calls = [asyncio.create_task(refused()) for _ in range(15)]
    await settle()
    door.set()
    await asyncio.gather(*calls, return_exceptions=True)
    assert limiter.allowed(CallClass.PUSH) == 10


async def test_slots_never_fall_below_one_and_are_won_back_by_successes() -> None:
    time = FakeTime()
    limiter = Limiter(pushes=4, clock=time.clock, sleep=time.sleep)
    for _ in range(5):
        time.now += 10
        await slow_down(limiter)
    assert limiter.allowed(CallClass.PUSH) == 1
    await succeed(limiter)
    assert limiter.allowed(CallClass.PUSH) == 2
    for _ in range(20):
        await succeed(limiter)
    assert limiter.allowed(CallClass.PUSH) == 4


async def test_a_failure_that_is_no_429_changes_nothing() -> None:
    limiter = Limiter(pushes=4)
    with pytest.raises(KotaServerError):
        async with limiter.slot(CallClass.PUSH, operation="POST /x"):
            raise KotaServerError("POST /x", status=500)
    assert (limiter.allowed(CallClass.PUSH), limiter.pause) == (4, 0.0)
    await succeed(limiter)


async def test_a_pause_that_is_too_long_refuses_instead_of_holding_the_row() -> None:
    time = FakeTime()
    limiter = Limiter(pushes=1, patience=5.0, clock=time.clock, sleep=time.sleep)
    kota = Kota([problem(429, headers={"retry-after": "60"})])
    client = client_of(kota, limiter=limiter, time=time)
    with pytest.raises(KotaRateLimited):
        await client.create_employee(b"{}", idempotency_key="k")
    time.now += 20
    with pytest.raises(KotaRateLimited) as paused:
        await client.create_employee(b"{}", idempotency_key="k")
    assert len(kota.requests) == 1
    assert (paused.value.retry_after, paused.value.may_have_happened) == (40.0, False)
    assert limiter.pause == 40.0


async def test_a_person_does_not_wait_for_a_pause() -> None:
    time = FakeTime()
    limiter = Limiter(clock=time.clock, sleep=time.sleep)
    await slow_down(limiter, retry_after=60.0)
    await succeed(limiter, CallClass.SESSION)
    assert time.slept == []


async def test_a_pause_that_grows_while_waiting_is_waited_out() -> None:
    time = FakeTime()

    async def another_429_meanwhile(seconds: float) -> None:
        if not time.slept:
            await slow_down(limiter, retry_after=3.0, call_class=CallClass.SESSION)
        await time.sleep(seconds)

    limiter = Limiter(clock=time.clock, sleep=another_429_meanwhile)
    await slow_down(limiter, retry_after=1.0)
    await succeed(limiter)
    assert time.slept == [1.0, 2.0]


async def test_people_are_refused_rather_than_queued() -> None:
    crowd = Crowd(Limiter(sessions=1))
    first = asyncio.create_task(crowd.call(1, CallClass.SESSION))
    await settle()
    with pytest.raises(KotaRateLimited, match="busy"):
        await crowd.call(2, CallClass.SESSION)
    crowd.door.set()
    await first
    await crowd.call(3, CallClass.SESSION)
    assert crowd.order == [1, 3]
