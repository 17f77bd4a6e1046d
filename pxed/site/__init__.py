"""The site: what is known of computers and what they shall do, and its keeping in a database."""
