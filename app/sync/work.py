"""The background work of this room: a lane of pushes for each kind of record."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Sessions
from app.kota import KotaClient
from app.queue.backoff import Backoff
from app.queue.lanes import Lane
from app.queue.periodic import Periodic
from app.sync import gate
from app.sync.batches import prune_batches
from app.sync.claims import ClaimRules, EmployerIds, Push, claim_pushes, release_pushes
from app.sync.kinds import EMPLOYEES, EMPLOYERS, Kind
from app.sync.looks import Looks
from app.sync.offboarding.context import Context
from app.sync.offboarding.resolve import resolve_open
from app.sync.plan import PlanRules
from app.sync.push import Pusher, PushRules
from app.sync.settler import Settler


@dataclass(frozen=True, slots=True)
class SyncRules:
    """What the root hands down. `api_key` is a fingerprint of the key that `kota` calls with."""

    api_key: str
    in_flight: int
    lease: timedelta
    backoff: Backoff
    idempotency_window: timedelta
    look_up_after: timedelta
    probe_every: timedelta
    restored: bool
    retain_batches: timedelta


def sync_lanes(*, sessions: Sessions, kota: KotaClient, rules: SyncRules) -> Sequence[Lane[Push]]:
    """Pushes of employers and of employees. They share the client's slots, so `in_flight` bounds both together."""
    return [_lane(kind, sessions=sessions, kota=kota, rules=rules) for kind in (EMPLOYERS, EMPLOYEES)]


def sync_periodic(
    *, sessions: Sessions, kota: KotaClient, rules: SyncRules, clock: Callable[[], datetime]
) -> Sequence[Periodic]:
    """The gate of a restored database, noted while the setting says so and forgotten once it does not; offboardings of
    which nobody learnt the outcome; and the end of old batches."""

    async def note_restore() -> None:
        async with sessions.begin() as session:
            await (gate.hold_creates(session) if rules.restored else gate.forget_restore(session))

    async def prune() -> None:
        async with sessions.begin() as session:
            await prune_batches(session, older_than=rules.retain_batches)

    async def resolve() -> None:
        # Sends what is confirmed already; the key of tokens is not needed for that.
        context = Context(sessions, kota, b"", rules.lease, "worker", clock)
        await resolve_open(context)

    return [
        Periodic("sync_resolve_offboardings", every=timedelta(seconds=5), run=resolve),
        Periodic("sync_restore_gate", every=timedelta(minutes=1), run=note_restore),
        Periodic("sync_prune_batches", every=timedelta(hours=1), run=prune),
    ]


def _lane(kind: Kind, *, sessions: Sessions, kota: KotaClient, rules: SyncRules) -> Lane[Push]:
    looks = Looks(kota)
    settler = Settler(kind, sessions=sessions, patience=rules.lease)
    push_rules = PushRules(
        api_key=rules.api_key,
        backoff=rules.backoff,
        probe_every=rules.probe_every,
        look_within=min(rules.lease / 8, timedelta(seconds=10)),
    )
    pusher = Pusher(kind, sessions=sessions, kota=kota, looks=looks, settler=settler, rules=push_rules)
    claim_rules = ClaimRules(
        plan=PlanRules(
            api_key=rules.api_key,
            idempotency_window=rules.idempotency_window,
            look_up_after=rules.look_up_after,
            conflict_patience=4 * rules.look_up_after,
        ),
        lease=rules.lease,
        probe_every=rules.probe_every,
        restored=rules.restored,
    )

    employer_ids = EmployerIds()

    async def claim(session: AsyncSession, limit: int) -> Sequence[Push]:
        # While Kota wants fewer calls, leased rows would only wait here.
        if kota.limiter.pause > 0:
            return []
        return await claim_pushes(session, kind, limit=limit, rules=claim_rules, employer_ids=employer_ids)

    async def release(session: AsyncSession, pushes: Sequence[Push]) -> None:
        await release_pushes(session, kind, pushes)

    async def close() -> None:
        await looks.aclose()
        await settler.aclose()

    return Lane(
        name=kind.lane,
        claim=claim,
        work=pusher.push,
        release=release,
        lease=rules.lease,
        # The client's slots bound the calls. As many again wait for their commit, or for a slot.
        in_flight=2 * rules.in_flight,
        close=close,
    )
