"""Where bytes go: the bus, the objects, child processes, telemetry, settings and health."""
