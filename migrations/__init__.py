"""Database migrations: one revision a change, suited to the code that is still running."""
