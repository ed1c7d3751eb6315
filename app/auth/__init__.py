"""Who is calling: frontend tokens and service keys."""
