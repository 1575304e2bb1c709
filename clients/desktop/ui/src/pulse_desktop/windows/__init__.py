"""The windows and pages. They show states that come from the bridge and send intents to it; they wait for nothing."""
