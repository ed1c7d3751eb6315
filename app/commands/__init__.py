"""Groups of commands, each a file. What is heavy is imported by the command that needs it."""
