"""Builds boot images from Debian packages and keeps the files of all boot images."""
