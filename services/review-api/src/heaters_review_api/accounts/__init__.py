"""Who people and programs are, how they prove it, and what they did. Rows of the `app` schema: no facts, and never in one."""
