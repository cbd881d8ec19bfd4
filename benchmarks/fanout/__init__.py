"""Fan-out under load: its own clients, the whole path, limits that must hold."""
