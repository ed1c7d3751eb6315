"""POST /webhooks/kota: verify, store, answer."""
