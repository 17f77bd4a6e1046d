"""The policy: who a client is and what it should do now, as pure functions."""
