"""The subcommands of `sge` that `quantization` adds, a module each."""
