"""What broken and hostile clients send."""
