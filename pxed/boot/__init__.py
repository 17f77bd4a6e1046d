"""What a verdict looks like to a boot loader: offer shapes, names and tokens, boot scripts."""
