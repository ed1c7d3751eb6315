"""Required actions and other things that a person must see."""
