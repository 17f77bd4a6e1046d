"""How a site's database gets from one revision of the schema to the next, run by `pxed.site.database`."""
