"""What is held of one person: shown, and erased. The one room that writes to tables of other rooms."""
