"""Windows of the machine's user: the local socket, its methods and its events (`pulse_contracts.local_protocol`)."""
