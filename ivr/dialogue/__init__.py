"""What the agent says, and when: a pure step function and the recorded prompts."""
