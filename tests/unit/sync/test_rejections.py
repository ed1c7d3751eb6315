import pytest

from app.errors import FieldError
from app.sync.rejections import host_errors

SENT = {
    "first_name": "Bo",
    "last_name": "O'Made (Up)",
    "email": "bo@example.com",
    "home_address": {"line1": "1 Example Street", "country_code": "ie"},
    "metadata": {"cost_centre": "Bo"},
    "bank_account": None,
}


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("'bo@example.com' is not an e-mail address.", "'…' is not an e-mail address."),
        ("BO@EXAMPLE.COM belongs to Bo.", "… belongs to …."),
        ("The name O'Made (Up) of Bob is taken.", "The name … of Bob is taken."),
        ("1 Example Street is not in IE.", "… is not in …."),
        ("Must be a date.", "Must be a date."),
    ],
)
def test_what_kota_quotes_of_the_record_is_left_out(message: str, shown: str) -> None:
    assert host_errors({"$.email": [message]}, sent=SENT) == [FieldError("/email", shown)]


def test_message_about_nothing_in_particular_stays_as_it_is() -> None:
    assert host_errors({"$": ["Is bad."]}, sent={}) == [FieldError("", "Is bad.")]
