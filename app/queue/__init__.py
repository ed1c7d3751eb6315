"""Rows are the queue: claim, lease, settle, back-off, wake-up, periodic work."""
