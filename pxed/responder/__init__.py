"""The responder: ports 67 and 4011."""
