"""Passwords that people type at a boot loader: how they are kept, and how they are checked."""
