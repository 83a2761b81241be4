"""The architectures: what each can be told, its parts and its models."""
