"""Where results go; `edge.sinks.sink.Outputs` feeds several at once."""
