"""Task sequences: the model that the server keeps and the agent carries out. Standard library only."""
