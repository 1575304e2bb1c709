"""The way to the agent: the local socket and its process. Runs in a thread of its own and knows no toolkit."""
