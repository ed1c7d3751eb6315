"""What is told to the host."""
