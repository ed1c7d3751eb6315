"""Why an offboarding does not happen."""

from app.errors import Conflict, InvalidInput


class NotAtKota(Conflict):
    """Kota does not have this record, so there is nothing to offboard."""

    code = "not_ready"


class PreviewChanged(Conflict):
    """What would end has changed since it was shown. Look again."""

    code = "preview_changed"


class NotCancellable(Conflict):
    """There is no offboarding that could still be cancelled."""

    code = "not_cancellable"


class NeedsConfirmation(Conflict):
    """Nobody knows whether Kota did it, and the confirmation has run out. Look again, and confirm anew."""

    code = "needs_confirmation"


class IrreversibleNotAccepted(InvalidInput):
    """A day that is today or past cannot be cancelled; say that this is meant."""

    code = "irreversible_not_accepted"
