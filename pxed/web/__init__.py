"""HTTP: boot scripts, boot images, the agent's messages, and the local control socket."""
