"""OpenTelemetry traces: W3C context in, spans out by OTLP. Nothing here is imported when off."""
