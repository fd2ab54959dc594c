"""What the cluster room decides without doing anything."""
