"""What every HTTP edge shares: problem+json, middleware, dependencies, pagination, health."""
