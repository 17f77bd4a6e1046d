"""What alembic runs: the revisions, on a connection whose transaction the caller has begun and will commit."""

from __future__ import annotations

from alembic import context

from pxed.site.tables import metadata

# The caller's transaction is alembic's too: transactional_ddl would commit it half way.
context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=False)
context.run_migrations()
