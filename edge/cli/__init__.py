"""The command line of the device: `sge-edge`."""
