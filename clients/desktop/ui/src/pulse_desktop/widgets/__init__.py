"""The building blocks of all windows. They know no agent and no session."""
