"""Where results go; `edge.sinks.outputs.Outputs` feeds several at once."""
