"""What a storm of events is made of: people, events, kills, and the truth to compare with afterwards."""
