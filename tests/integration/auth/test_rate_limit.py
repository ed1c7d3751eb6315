import pytest

from tests.databases import NewDatabase
from tests.support.app import Host, running_app, settings_for

pytestmark = pytest.mark.threat(5)


async def test_key_past_its_limit_is_told_when_to_come_back(new_database: NewDatabase, host: Host) -> None:
    settings = settings_for(new_database(), host=host, service_requests_per_minute=12)
    async with running_app(settings) as app:
        answers = [await app.http.get("/internal/audit", headers=host.service) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 5
    assert answers[-1].json()["code"] == "too_many_requests"
