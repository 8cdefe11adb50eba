"""Decision logs in OPA's event format: recorded on the event loop, made and sent by threads."""
