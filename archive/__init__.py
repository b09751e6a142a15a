"""Floor 4: the closed cases - deposit, masked reading, finding, and access to them by approved request."""
