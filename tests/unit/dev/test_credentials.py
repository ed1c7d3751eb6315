import json
from pathlib import Path

from app.dev.credentials import read_or_make_credentials


def test_credentials_are_made_once_and_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    made = read_or_make_credentials(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_or_make_credentials(path) == made
    assert read_or_make_credentials(tmp_path / "other.json") != made


def test_credential_that_an_older_version_did_not_have_is_added_to_the_others(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    made = read_or_make_credentials(path)
    kept = json.loads(path.read_text())
    del kept["lookup_key"]
    path.write_text(json.dumps(kept))

    renewed = read_or_make_credentials(path)
    assert renewed.lookup_key != made.lookup_key
    assert renewed.encryption_key == made.encryption_key
    assert read_or_make_credentials(path) == renewed
