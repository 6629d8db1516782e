"""Values: snapshotted in the caller, then made plain, typed and fit for their columns."""
