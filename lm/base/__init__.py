"""The ground: settings, records, FLOPs, the machine. It imports nothing else of lm."""
