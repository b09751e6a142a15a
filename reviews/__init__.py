"""Floor 5: questions to the trail, and what is made of the answers."""
