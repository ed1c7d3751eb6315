"""What `make` runs around the project: no part of the service."""
