"""What runs on a developer's machine only: an embedded PostgreSQL and the all-in-one `kota-bff dev`."""
