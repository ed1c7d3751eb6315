import json
from datetime import UTC, datetime

import httpx
from sqlalchemy import func, select

from app.events.catalogue import address_of, resource_of
from app.kota import NO_RETRY, SIGNATURE_HEADER, open_client, read_envelope, sign
from app.models import EventState, KotaEvent, Notification
from tests.integration.application import WEBHOOK_SECRETS, Application
from tests.integration.stack import API_KEY, PlayedKota, Stack
from tests.kota_events import FILES
from tests.support.transactions import OutsideTransactions


async def test_every_type_in_every_version_is_taken_by_the_real_route_and_processed(application: Application) -> None:
    played = PlayedKota()
    for file in FILES:
        body = file.read_bytes()
        headers = {SIGNATURE_HEADER: sign(body, secret=WEBHOOK_SECRETS[0].encode(), at=datetime.now(UTC))}
        answer = await application.http.post("/webhooks/kota", content=body, headers=headers)
        assert (answer.status_code, answer.json()) == (200, {"status": "accepted"}), file.name
        envelope = read_envelope(body)
        if envelope.version == "v1":
            # Version 1 carries the resource: Kota shows the same when asked.
            resource = resource_of(envelope.type, envelope.data)
            assert resource
            path, ids, _query = address_of(resource)
            played.resources[path.format_map(ids)] = json.loads(body)["data"]
    services = application.app.state.services
    client = open_client(
        api_url="http://kota.test",
        api_key=API_KEY,
        read_retry=NO_RETRY,
        transport=OutsideTransactions(httpx.MockTransport(played)),
    )
    async with client as kota:
        await Stack(services.engine, services.sessions, services.keyring, kota, played).process()
    async with services.sessions() as session:
        states = (await session.execute(select(KotaEvent.state, func.count()).group_by(KotaEvent.state))).all()
        kinds = set(await session.scalars(select(KotaEvent.resource_kind)))
        asked = set(await session.scalars(select(Notification.kind)))
    assert [tuple(row) for row in states] == [(EventState.PROCESSED, len(FILES))]
    assert len(kinds) == 17
    # The quote's last event says that it is pending again, so nobody has to act on that.
    assert asked == {"employee_offer", "employee_policy"}
