"""The wire: DHCP, PXE, iPXE and TFTP packets, bytes to frozen dataclasses and back. Standard library only."""
