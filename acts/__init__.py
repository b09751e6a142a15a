"""What every act of the archive and the office is done with: the desk, the caller, and the asking of the rules."""
