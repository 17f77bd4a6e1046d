"""Builds boot images."""
