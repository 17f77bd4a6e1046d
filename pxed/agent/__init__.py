"""The agent: the program that runs inside the boot image. Standard library only."""
