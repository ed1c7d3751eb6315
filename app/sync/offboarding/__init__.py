"""Ending a record at Kota: what it would end, the person's confirmation, the call, and taking it back."""
