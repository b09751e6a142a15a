"""Floor 1: what happened, provably - the audit log of each fonds, its checkpoints, proofs, questions and export."""
