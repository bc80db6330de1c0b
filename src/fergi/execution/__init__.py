"""How work runs, never what it computes: one after the other, in processes, or on a cluster."""
