"""The lab: a network of namespaces and virtual machines in which real firmware boots from a real pxed."""
